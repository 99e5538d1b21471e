import type { AttemptCounters } from "../store.js";
import type { RedisExecutor } from "./connection/redis-connection.js";
import { redisScript } from "./connection/redis-script.js";
import { hashed, type RedisKeys } from "./redis-keys.js";

// some 50 MiB, whatever names an attacker tries; above it the oldest is forgotten
const maxCounters = 262_144;

const fail = redisScript(`
local failures = redis.call('HINCRBY', KEYS[1], ARGV[2], 1)
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
if redis.call('ZCARD', KEYS[2]) > tonumber(ARGV[4]) then
  redis.call('HDEL', KEYS[1], redis.call('ZPOPMIN', KEYS[2])[1])
end
return failures
`);

const clear = redisScript(
  `
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[2])
return 1
`,
  "allow-oom",
);

const read = redisScript(
  `
return {redis.call('HGET', KEYS[1], ARGV[2]) or '0', redis.call('ZSCORE', KEYS[2], ARGV[2]) or '0'}
`,
  "no-writes",
);

const sweep = redisScript(
  `
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[2], 'LIMIT', 0, ARGV[3])
for _, member in ipairs(old) do
  redis.call('HDEL', KEYS[1], member)
  redis.call('ZREM', KEYS[2], member)
end
return #old
`,
  "allow-oom",
);

const sweptAtOnce = 500;

/** Failed logins, counted over all nodes. */
export class RedisAttempts implements AttemptCounters {
  readonly #redis: RedisExecutor;
  readonly #keys: readonly string[];

  constructor(redis: RedisExecutor, { attempts, attemptTimes }: RedisKeys) {
    this.#redis = redis;
    this.#keys = [attempts, attemptTimes];
  }

  async get(key: string): Promise<{ readonly failures: number; readonly lastAt: number }> {
    const [failures, lastAt] = (await this.#redis.run(read, this.#keys, [hashed(key)])) as [
      string,
      string,
    ];
    return { failures: Number(failures), lastAt: Number(lastAt) };
  }

  async fail(key: string, now: number): Promise<number> {
    return Number(await this.#redis.run(fail, this.#keys, [hashed(key), now, maxCounters]));
  }

  async clear(key: string): Promise<void> {
    await this.#redis.run(clear, this.#keys, [hashed(key)]);
  }

  async sweep(before: number): Promise<number> {
    let forgotten = 0;
    for (;;) {
      const swept = Number(await this.#redis.run(sweep, this.#keys, [before, sweptAtOnce]));
      forgotten += swept;
      if (swept < sweptAtOnce) return forgotten;
    }
  }
}
