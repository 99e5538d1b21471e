import type { RedisClient } from "./redis-client.js";
import type { RedisExecutor } from "./redis-connection.js";
import type { RedisScript } from "./redis-script.js";
import { StoreUnavailable } from "./store-unavailable.js";

/** The calls of one operation, such as a login: together they wait for Redis no longer than one call may. What else takes time does not count. */
export class RedisOperation implements RedisExecutor {
  readonly #link: RedisClient;
  /** Milliseconds. */
  #left: number;

  constructor(link: RedisClient) {
    this.#link = link;
    this.#left = link.patience;
  }

  command(...args: readonly string[]): Promise<unknown> {
    return this.#spend((patience) => this.#link.commandWithin(patience, ...args));
  }

  run(script: RedisScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#spend((patience) => this.#link.runWithin(patience, script, keys, args));
  }

  async #spend(work: (patience: number) => Promise<unknown>): Promise<unknown> {
    if (this.#left <= 0) throw new StoreUnavailable(`Redis has taken ${this.#link.patience} ms for one operation`);
    const startedAt = performance.now();
    try {
      return await work(this.#left);
    } finally {
      this.#left -= performance.now() - startedAt;
    }
  }
}
