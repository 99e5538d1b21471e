import type { SecretRecords } from "../store.js";
import type { RedisExecutor } from "./connection/redis-connection.js";
import { replaceField } from "./json-hash.js";
import type { RedisKeys } from "./redis-keys.js";

/**
 * Remembers what it has read: into a Redis that has lost them, secrets are written back before
 * anybody makes new ones, or every token signed or derived with them would be refused.
 */
export class RedisSecrets implements SecretRecords {
  readonly #redis: RedisExecutor;
  readonly #key: string;
  readonly #known: Map<string, string>;

  constructor(redis: RedisExecutor, keys: RedisKeys, known = new Map<string, string>()) {
    this.#redis = redis;
    this.#key = keys.secrets;
    this.#known = known;
  }

  async get(name: string): Promise<string | undefined> {
    const value =
      ((await this.#redis.command(["HGET", this.#key, name])) as string | null) ?? undefined;
    if (value !== undefined) this.#known.set(name, value);
    return value;
  }

  async replace(name: string, value: string, expected: string | undefined): Promise<boolean> {
    const isReplaced =
      (await this.#redis.run(replaceField, [this.#key], [name, expected ?? "", value])) === 1;
    if (isReplaced) this.#known.set(name, value);
    return isReplaced;
  }

  async restore(redis: RedisExecutor): Promise<void> {
    for (const [name, value] of this.#known) {
      // asked, since a full Redis would refuse the script all the same
      const isLost = (await redis.command(["HGET", this.#key, name])) === null;
      if (isLost) await redis.run(replaceField, [this.#key], [name, "", value]);
    }
  }
}
