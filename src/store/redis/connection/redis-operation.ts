import type { RedisClient } from "./redis-client.js";
import type { RedisExecutor } from "./redis-connection.js";
import type { RedisScript } from "./redis-script.js";
import { StoreUnavailable } from "./store-unavailable.js";

/**
 * The calls of one operation, such as a login: together they wait for Redis no longer than one call
 * may. What else takes time does not count.
 */
export class RedisOperation implements RedisExecutor {
  readonly #link: RedisClient;
  /** Milliseconds. */
  #left: number;

  constructor(link: RedisClient) {
    this.#link = link;
    this.#left = link.timeoutMs;
  }

  command(...args: readonly string[]): Promise<unknown> {
    return this.#spend((timeoutMs) => this.#link.commandWithin(timeoutMs, ...args));
  }

  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    return this.#spend((timeoutMs) => this.#link.runWithin(timeoutMs, script, keys, args));
  }

  async #spend(work: (timeoutMs: number) => Promise<unknown>): Promise<unknown> {
    if (this.#left <= 0)
      throw new StoreUnavailable(`Redis has taken ${this.#link.timeoutMs} ms for one operation`);
    const startedAt = performance.now();
    try {
      return await work(this.#left);
    } finally {
      this.#left -= performance.now() - startedAt;
    }
  }
}
