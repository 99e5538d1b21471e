import { RedisKeys } from "../redis-keys.js";
import { checkRedisUrl, type RedisAddress, RedisConnection } from "./redis-connection.js";

/**
 * Returns advice for each setting with which a Redis may lose data. Rejects with
 * `StoreUnavailableError` if Redis does not answer within `timeoutMs` milliseconds, and with
 * `TypeError` for an invalid URL.
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
            "a restart loses users, sessions and revocations; set appendonly yes, and appendfsync always",
          ]),
      ...(limit > 0 && policy !== "noeviction"
        ? [
            `at its memory limit Redis evicts data, including revocations (${policy}); set maxmemory-policy noeviction`,
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
    () => undefined, // an ACL may deny CONFIG GET
  );
  if (mode === undefined)
    return [
      "this user cannot read appendfsync; make sure that its value is always, or that losing one second of writes is acceptable",
    ];
  return mode === "always"
    ? []
    : [
        `a crash of the Redis machine may lose the last second of revocations and rotations (appendfsync ${mode}); set appendfsync always`,
      ];
}

/**
 * Reads a secret of a deployment without writing anything to Redis. Rejects like
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
