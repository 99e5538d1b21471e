/** The only importer of rate-limiter-flexible. */
import { RateLimiterMemory, RateLimiterRedis, type RateLimiterRes } from "rate-limiter-flexible";
import { type RateCount, type RateCounters, rateWindow } from "../store.js";
import type { RedisExecutor } from "./connection/redis-connection.js";
import { redisScript } from "./connection/redis-script.js";
import type { RedisKeys } from "./redis-keys.js";

/**
 * ARGV: what is added (-1: given back, unless its minute is over), and how many seconds a counter
 * lives from its first.
 */
const change = redisScript(`
local before = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[2]) < 0 and before <= 0 then return {0, 0} end
local count = redis.call('INCRBY', KEYS[1], ARGV[2])
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return {count, redis.call('PTTL', KEYS[1])}
`);

const read = redisScript(
  `
return {redis.call('GET', KEYS[1]) or false, redis.call('PTTL', KEYS[1])}
`,
  "no-writes",
);

/**
 * Counted in Redis, for all nodes, by Redis's clock; while Redis is away, in this process (the
 * limiter's insurance): it never rejects. What was counted in one place is not known in the other,
 * so that an outage begins a minute anew.
 */
export class RedisRates implements RateCounters {
  readonly #limiter: RateLimiterRedis;
  readonly #keys: RedisKeys;

  /** `insurance`: shared by all views of one store. */
  constructor(redis: RedisExecutor, keys: RedisKeys, insurance: RateLimiterMemory) {
    this.#keys = keys;
    this.#limiter = new RateLimiterRedis({
      ...unlimited,
      storeClient: clientOf(redis),
      useRedisPackage: true,
      insuranceLimiter: insurance,
    });
  }

  static insurance(): RateLimiterMemory {
    return new RateLimiterMemory(unlimited);
  }

  async add(key: string): Promise<RateCount> {
    return rateOf(await this.#limiter.penalty(this.#keys.rate(key)));
  }

  async giveBack(key: string): Promise<void> {
    await this.#limiter.reward(this.#keys.rate(key));
  }

  async get(key: string): Promise<RateCount> {
    return rateOf(await this.#limiter.get(this.#keys.rate(key)));
  }
}

/** It counts; what is too much, its user decides. */
const unlimited = { points: Number.MAX_SAFE_INTEGER, duration: rateWindow, keyPrefix: "" };

/**
 * The part of a client of Redis that the limiter calls. Its scripts are ours: only those are known
 * to Redis, and obey a deadline.
 */
function clientOf(redis: RedisExecutor): object {
  return {
    eval: (
      _text: string,
      {
        keys,
        arguments: args,
      }: { readonly keys: readonly string[]; readonly arguments: readonly string[] },
    ) => redis.run(change, keys, args.slice(0, 2)),
    multi: () => {
      const keys: string[] = [];
      const transaction = {
        get: (key: string) => {
          keys.push(key);
          return transaction;
        },
        pTTL: () => transaction,
        exec: () => redis.run(read, keys, []),
      };
      return transaction;
    },
  };
}

function rateOf(result: RateLimiterRes | null): RateCount {
  if (result === null || result.consumedPoints <= 0 || result.msBeforeNext <= 0)
    return { count: 0, endsIn: 0 };
  return { count: result.consumedPoints, endsIn: result.msBeforeNext / 1_000 };
}
