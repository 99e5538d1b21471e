import { RedisKeys } from "../redis-keys.js";
import { checkRedisUrl, type RedisAddress, RedisConnection } from "./redis-connection.js";

/**
 * What a Redis may forget without having to, each with what to do; empty: nothing. Rejects with
 * `StoreUnavailableError` when it does not answer within `timeoutMs` milliseconds. Throws `TypeError` for
 * a URL that can't be meant.
 */
export async function adviseRedis(
  address: RedisAddress,
  timeoutMs = 2_000,
): Promise<readonly string[]> {
  checkRedisUrl(address.url);
  const redis = await RedisConnection.open(address, timeoutMs);
  try {
    const persistence = String(await redis.command(["INFO", "persistence"]));
    const memory = String(await redis.command(["INFO", "memory"]));
    const isAppendOnly = /^aof_enabled:1/m.test(persistence);
    const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? "noeviction";
    const limit = Number(/^maxmemory:(\d+)/m.exec(memory)?.[1] ?? 0);
    return [
      ...(isAppendOnly
        ? await fsyncAdvice(redis)
        : [
            "a restart loses users, sessions and revocations: set appendonly yes, and appendfsync always",
          ]),
      ...(limit > 0 && policy !== "noeviction"
        ? [
            `at its limit of memory it forgets what it was told (${policy}), revocations too: set maxmemory-policy noeviction`,
          ]
        : []),
    ];
  } finally {
    redis.close();
  }
}

async function fsyncAdvice(redis: RedisConnection): Promise<readonly string[]> {
  const mode = await redis.command(["CONFIG", "GET", "appendfsync"]).then(
    (reply) => (Array.isArray(reply) ? String(reply[1]) : undefined),
    () => undefined, // this user may not ask
  );
  if (mode === undefined)
    return [
      "its appendfsync can't be read with this user: make sure that it is always, or that the loss of a second is acceptable",
    ];
  return mode === "always"
    ? []
    : [
        `a crash of its machine may lose the last second of revocations and rotations (appendfsync ${mode}): set appendfsync always`,
      ];
}

/**
 * A secret of a deployment, read without joining it: nothing is written. Rejects like
 * {@link adviseRedis}.
 */
export async function secretAt(
  address: RedisAddress,
  prefix: string,
  name: string,
  timeoutMs = 2_000,
): Promise<string | undefined> {
  const redis = await RedisConnection.open(address, timeoutMs);
  try {
    return (
      ((await redis.command(["HGET", new RedisKeys(prefix).secrets, name])) as string | null) ??
      undefined
    );
  } finally {
    redis.close();
  }
}
