import type { Store } from "../../index.js";
import { CliError, failingAs, messageOf } from "../cli-error.js";
import type { IssuerIdentity } from "./state-folder.js";

/** Where several nodes or workers keep what they share. */
export interface RedisPlace {
  readonly redis?: string;
  readonly redisPrefix: string;
}

type RedisLogger = NonNullable<
  Parameters<typeof import("../../store/redis/index.js")["redisStore"]>[0]["logger"]
>;

const identityName = "served-issuer";

/**
 * The store in Redis, if one is named. Throws a `CliError` when it is none, or can't be reached.
 */
export async function redisStoreOf(
  { redis, redisPrefix }: RedisPlace,
  logger?: RedisLogger,
): Promise<Store | undefined> {
  if (redis === undefined) return undefined;
  const { redisStore } = await failingAs(
    "configuration",
    "--redis needs packages: npm install @redis/client rate-limiter-flexible: ",
    () => import("../../store/redis/index.js"),
  );
  const store = await failingAs("usage", "--redis: ", () =>
    redisStore({ url: redis, prefix: redisPrefix, ...(logger === undefined ? {} : { logger }) }),
  );
  try {
    await reachingRedis(withoutPassword(redis), () => store.secrets.get(identityName));
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

/**
 * Runs `work`; why a Redis can't be used becomes a `CliError` that says what to do, and nothing of
 * its password.
 */
export async function reachingRedis<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TypeError)
      throw new CliError("usage", `--redis: ${messageOf(error)}`, { cause: error });
    const isRefused = /\b(NOAUTH|WRONGPASS|NOPERM)\b/.test(messageOf(error));
    const what = isRefused
      ? `the Redis at ${where} does not let us in`
      : `no Redis answers at ${where}`;
    const advice = isRefused
      ? " Give user and password in the URL, redis://user:password@host, by JOTWIRE_REDIS"
      : "";
    throw new CliError("connection", `${what}: ${messageOf(error)}${advice}`, { cause: error });
  }
}

/** Whose issuer is served from this store: revocations have to name it. */
export async function identityIn(store: Store): Promise<IssuerIdentity | undefined> {
  const text = await store.secrets.get(identityName);
  return text === undefined ? undefined : (JSON.parse(text) as IssuerIdentity);
}

/** The same, only looked at: that nobody has used the Redis so far stays so. */
export async function servedIssuerAt({
  redis,
  redisPrefix,
}: RedisPlace & { readonly redis: string }): Promise<IssuerIdentity | undefined> {
  const { secretAt } = await import("../../store/redis/connection/redis-advice.js");
  const text = await secretAt({ url: redis }, redisPrefix, identityName);
  return text === undefined ? undefined : (JSON.parse(text) as IssuerIdentity);
}

/** Throws a `CliError` when another issuer is served from it. */
export async function claimStore(
  store: Store,
  { issuer, audience }: IssuerIdentity,
): Promise<void> {
  const identity = JSON.stringify({ issuer, audience });
  if (await store.secrets.replace(identityName, identity, undefined)) return;
  const known = await store.secrets.get(identityName);
  if (known !== identity)
    throw new CliError(
      "configuration",
      `this Redis has another issuer's data (${known}): choose another --redis-prefix`,
    );
}

function withoutPassword(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  return parsed === undefined ? "that URL" : `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}
