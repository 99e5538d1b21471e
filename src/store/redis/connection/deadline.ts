import { StoreUnavailableError } from "./store-unavailable.js";

/**
 * How long one operation may still wait for Redis. Made once for each operation and passed down to
 * all that waits for Redis in it. Time in which nothing is awaited, such as that of hashing a
 * password between two calls, does not count.
 */
export class Deadline {
  readonly #timeoutMs: number;
  /** Milliseconds, when the wait that is counted now began. */
  #left: number;
  #waits = 0;
  #since = 0;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#left = timeoutMs;
  }

  /** Milliseconds. Less than one counts as none: a timer may be early by so much. */
  remaining(): number {
    const left = this.#waits === 0 ? this.#left : this.#left - (performance.now() - this.#since);
    return left < 1 ? 0 : left;
  }

  /**
   * Starts `work` and settles as it does. Rejects with {@link StoreUnavailableError} when no time
   * remains, or none did before: `work` is not started then. An answer that has arrived in time
   * counts, however late this process comes to read it: sockets are read between the timer and the
   * immediate.
   */
  async wait<T>(work: () => Promise<T>): Promise<T> {
    const left = this.remaining();
    if (left === 0)
      throw new StoreUnavailableError(`Redis has taken ${this.#timeoutMs} ms for one operation`);
    const outcome = work(); // before the timer: what is done at once is no wait
    if (this.#waits++ === 0) this.#since = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const giveUp = (): void =>
        reject(new StoreUnavailableError(`Redis did not answer within ${Math.round(left)} ms`));
      timer = setTimeout(() => setImmediate(giveUp), left);
    });
    try {
      return await Promise.race([outcome, late]);
    } finally {
      clearTimeout(timer);
      if (--this.#waits === 0) this.#left -= performance.now() - this.#since;
    }
  }
}
