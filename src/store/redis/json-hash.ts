import { fits, type Shape } from "../record-shape.js";
import type { RedisExecutor } from "./connection/redis-connection.js";
import { redisScript } from "./connection/redis-script.js";
import { StoreUnavailableError } from "./connection/store-unavailable.js";
import { hashed } from "./redis-keys.js";

/** Writes a field only while it is what was read; '' stands for a field that is not there. */
export const replaceField = redisScript(`
local before = redis.call('HGET', KEYS[1], ARGV[2]) or ''
if before ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4])
return 1
`);

const maxTries = 100; // changes of one record by others while one change is tried

/** Records of one kind as JSON in one hash, each under a hash of its key. */
export class JsonHash<R> {
  readonly #redis: RedisExecutor;
  readonly #key: string;
  readonly #shape: Shape<R>;

  constructor(redis: RedisExecutor, key: string, shape: Shape<R>) {
    this.#redis = redis;
    this.#key = key;
    this.#shape = shape;
  }

  /** False when the name is taken. */
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
   * Applies a change to what is there, anew whenever somebody else was first. False: there is none,
   * or `change` says no.
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
      `${maxTries} others changed the same record in ${this.#key} first`,
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
      throw new StoreUnavailableError(`a record in ${this.#key} is damaged`);
    return value;
  }
}

/** Undefined when the text is no JSON: nothing that fits a shape. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
