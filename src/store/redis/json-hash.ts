import { fits, type Shape } from "../record-shape.js";
import type { RedisExecutor } from "./connection/redis-connection.js";
import { redisScript } from "./connection/redis-script.js";
import { StoreUnavailableError } from "./connection/store-unavailable.js";
import { hashed } from "./redis-keys.js";

/** Compare-and-set of a hash field; '' stands for a missing field. */
export const replaceField = redisScript(`
local before = redis.call('HGET', KEYS[1], ARGV[2]) or ''
if before ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4])
return 1
`);

const maxTries = 100; // attempts of one compare-and-set against concurrent changes

/**
 * Stores records of one kind as JSON in a Redis hash. The SHA-256 of a record's name is its field.
 */
export class JsonHash<R> {
  readonly #redis: RedisExecutor;
  readonly #key: string;
  readonly #shape: Shape<R>;

  constructor(redis: RedisExecutor, key: string, shape: Shape<R>) {
    this.#redis = redis;
    this.#key = key;
    this.#shape = shape;
  }

  /** Adds a record. Resolves to `false` if the name is taken. */
  async add(name: string, record: R): Promise<boolean> {
    return (
      (await this.#redis.run(
        replaceField,
        [this.#key],
        [hashed(name), "", JSON.stringify(record)],
      )) === 1
    );
  }

  async get(name: string): Promise<R | undefined> {
    const text = await this.#read(name);
    return text === undefined ? undefined : this.#record(text);
  }

  /**
   * Changes a record, and retries after a concurrent change. Resolves to `false` if there is no
   * such record, or `change` returns `undefined`.
   */
  async update(name: string, change: (record: R) => R | undefined): Promise<boolean> {
    for (let tries = 0; tries < maxTries; tries++) {
      const before = await this.#read(name);
      const changed = before === undefined ? undefined : change(this.#record(before));
      if (before === undefined || changed === undefined) return false;
      if (
        (await this.#redis.run(
          replaceField,
          [this.#key],
          [hashed(name), before, JSON.stringify(changed)],
        )) === 1
      )
        return true;
    }
    throw new StoreUnavailableError(
      `${maxTries} concurrent changes of the same record in ${this.#key}; retry later`,
    );
  }

  async remove(name: string): Promise<boolean> {
    return (await this.#redis.command(["HDEL", this.#key, hashed(name)])) === 1;
  }

  async list(): Promise<R[]> {
    return ((await this.#redis.command(["HVALS", this.#key])) as string[]).map((text) =>
      this.#record(text),
    );
  }

  async #read(name: string): Promise<string | undefined> {
    return (
      ((await this.#redis.command(["HGET", this.#key, hashed(name)])) as string | null) ?? undefined
    );
  }

  #record(text: string): R {
    const value = parsed(text);
    if (!fits(value, this.#shape))
      throw new StoreUnavailableError(`a record in ${this.#key} is damaged; delete or repair it`);
    return value;
  }
}

/** Parses JSON. Returns `undefined`, which fits no shape, for invalid JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
