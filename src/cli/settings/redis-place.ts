import type { Store } from "../../index.js";
import { CliError, failingAs, messageOf } from "../cli-error.js";
import type { IssuerIdentity } from "./state-folder.js";

/** The Redis that several nodes or workers share. */
export interface RedisPlace {
  readonly redis?: string;
  readonly redisPrefix: string;
}

type RedisLogger = NonNullable<
  Parameters<typeof import("../../store/redis/index.js")["redisStore"]>[0]["logger"]
>;

const identityName = "served-issuer";

/**
 * Opens the store in Redis, if `redis` is given. Throws `CliError` if the URL is invalid or Redis
 * cannot be reached.
 */
export async function redisStoreOf(
  { redis, redisPrefix }: RedisPlace,
  logger?: RedisLogger,
): Promise<Store | undefined> {
  if (redis === undefined) return undefined;
  const { redisStore } = await failingAs(
    "configuration",
    "--redis needs two packages, npm install @redis/client rate-limiter-flexible: ",
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
 * Runs `work`. Throws `CliError` with advice, and without the password, if Redis cannot be used.
 */
export async function reachingRedis<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TypeError)
      throw new CliError("usage", `--redis: ${messageOf(error)}`, { cause: error });
    const isRefused = /\b(NOAUTH|WRONGPASS|NOPERM)\b/.test(messageOf(error));
    const what = isRefused
      ? `the Redis at ${where} refuses this user`
      : `no Redis answers at ${where}`;
    const advice = isRefused
      ? "; set JOTWIRE_REDIS to a URL with user and password, redis://user:password@host"
      : "";
    throw new CliError("connection", `${what}: ${messageOf(error)}${advice}`, { cause: error });
  }
}

/** Returns the issuer that uses this store; revocations must name their issuer. */
export async function identityIn(store: Store): Promise<IssuerIdentity | undefined> {
  const text = await store.secrets.get(identityName);
  return text === undefined ? undefined : (JSON.parse(text) as IssuerIdentity);
}

/** Like {@link identityIn}, but read-only: does not initialize an unused Redis. */
export async function servedIssuerAt({
  redis,
  redisPrefix,
}: RedisPlace & { readonly redis: string }): Promise<IssuerIdentity | undefined> {
  const { secretAt } = await import("../../store/redis/connection/redis-advice.js");
  const text = await secretAt({ url: redis }, redisPrefix, identityName);
  return text === undefined ? undefined : (JSON.parse(text) as IssuerIdentity);
}

/** Reserves a store for an issuer. Throws `CliError` if another issuer uses the store. */
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
      `this Redis has the data of another issuer (${known}); choose another --redis-prefix`,
    );
}

function withoutPassword(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  return parsed === undefined ? "that URL" : `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}
