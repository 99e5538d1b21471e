import type { Bus } from "../../pubsub/bus.js";
import { checkLogger, unfailingMethods } from "../../runtime/application-code.js";
import { type Clock, systemClock } from "../../runtime/clock.js";
import { refuseUnknownOptions } from "../../runtime/known-options.js";
import { type Logger, silentLogger } from "../../runtime/logger.js";
import type { Store } from "../store.js";
import { Deadline } from "./connection/deadline.js";
import { RedisClient } from "./connection/redis-client.js";
import {
  checkRedisUrl,
  type RedisAddress,
  type RedisExecutor,
  withDeadline,
} from "./connection/redis-connection.js";
import { RedisDeployment } from "./connection/redis-deployment.js";
import { RedisBus } from "./events/redis-bus.js";
import { RedisStreamReader } from "./events/redis-stream-reader.js";
import { RedisAttempts } from "./redis-attempts.js";
import { RedisClients, RedisUsers } from "./redis-directories.js";
import { RedisFamilies } from "./redis-families.js";
import { RedisKeys } from "./redis-keys.js";
import { RedisRates } from "./redis-rates.js";
import { RedisRevocations } from "./redis-revocations.js";
import { RedisSecrets } from "./redis-secrets.js";

/** What `redisStore` takes. Times in milliseconds. */
export interface RedisStoreOptions extends RedisAddress {
  /**
   * Begins every key: deployments with different ones on one Redis know nothing of each other.
   * @default `jotwire`
   */
  readonly prefix?: string;
  /**
   * Longest wait for Redis, connecting included, before a call is given up; all calls of one login
   * or refresh together too.
   * @default 750 ms
   */
  readonly timeout?: number;
  /**
   * How many events and messages, about, are kept for nodes that were cut off for a moment.
   * @default 10_000
   */
  readonly busLength?: number;
  /**
   * Where the store's log lines go.
   * @default silent
   */
  readonly logger?: Pick<Logger, "info" | "warn">;
  /** Seams for tests; never set them in production. */
  readonly testing?: RedisStoreTesting;
}

/** What a test may put in the place of the machine. */
export interface RedisStoreTesting {
  /**
   * Times the forgetting of revocations.
   * @default the machine's clocks
   */
  readonly clock?: Clock;
}

const redisOptions = {
  ...{
    url: true,
    tls: true,
    prefix: true,
    timeout: true,
    busLength: true,
    logger: true,
    testing: true,
  },
} satisfies Record<keyof RedisStoreOptions, true>;

/** A store with a bus: it joins the nodes that use it. */
export interface RedisStore extends Store {
  /** Joins the nodes that use the store. */
  readonly bus: Bus;
}

const logLevels = ["info", "warn"] as const;

/**
 * Keeps everything in one Redis (7 or newer), for any number of nodes. Connects when it is first
 * used; every method rejects with the code `STORE_UNAVAILABLE` when Redis does not answer in time.
 *
 * @throws TypeError if an option is unknown or out of range
 * @example
 * const store = redisStore({ url: "redis://127.0.0.1:6379", prefix: "orders" });
 * const issuer = await createIssuer({ issuer: "https://id.example", audience: "orders", store });
 */
export function redisStore(options: RedisStoreOptions): RedisStore {
  refuseUnknownOptions("redisStore", options, redisOptions);
  const { url, tls, prefix = "jotwire", timeout = 750, busLength = 10_000 } = options;
  const { logger: given = silentLogger, testing: { clock = systemClock } = {} } = options;
  checkLogger(given, logLevels);
  const logger = unfailingMethods(given, logLevels);
  checkRedisUrl(url);
  if (prefix === "") throw new TypeError("prefix must not be empty");
  if (!(timeout >= 10 && timeout <= 60_000))
    throw new TypeError(`timeout must be from 10 to 60_000 milliseconds, not ${timeout}`);
  if (!(busLength >= 100)) throw new TypeError(`busLength must be at least 100, not ${busLength}`);
  const address = { url, tls };
  const keys = new RedisKeys(prefix);
  const deployment = new RedisDeployment(keys, logger);
  const link = new RedisClient(address, timeout, (connection, deadline) =>
    deployment.join(connection, deadline),
  );
  const feed = new RedisStreamReader(address, timeout, keys, deployment, logger);
  const known = new Map<string, string>();
  const secrets = new RedisSecrets(link, keys, known);
  const revocations = new RedisRevocations(link, keys, feed, logger, () => deployment.now());
  const bus = new RedisBus(
    link,
    keys,
    feed,
    { length: Math.ceil(busLength), timeoutMs: timeout },
    logger,
  );
  const now = (): number => clock.now() / 1_000;
  deployment.onRenewal((redis) => secrets.restore(redis));
  deployment.onRenewal((redis) => revocations.restore(redis, now()));
  feed.listen({
    connected: (redis) => revocations.saveUnsaved(redis, now()),
    reloadRevocations: (redis) => revocations.reload(redis),
    revocation: (fields, at) => revocations.heard(fields.get("r") ?? "", at),
    busEntry: (fields) => bus.heard(fields),
    busGap: () => bus.gap(),
    // a call may have been given up while the feed went on
    current: (redis) => revocations.saveUnsaved(redis, now()),
    tidy: (redis) => revocations.tidy(redis, now()),
  });
  const insurance = RedisRates.insurance();
  const recordsOver = (redis: RedisExecutor) => ({
    users: new RedisUsers(redis, keys),
    clients: new RedisClients(redis, keys),
    families: new RedisFamilies(redis, keys),
    attempts: new RedisAttempts(redis, keys),
    rates: new RedisRates(redis, keys, insurance),
    secrets: new RedisSecrets(redis, keys, known),
    revocations: redis === link ? revocations : revocations.over(redis),
  });
  return {
    ...recordsOver(link),
    operation: () => recordsOver(withDeadline(link, new Deadline(timeout))),
    bus,
    close: async () => {
      feed.close();
      link.close();
    },
  };
}
