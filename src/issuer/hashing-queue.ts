import type { Clock } from "../auth/clock.js";

/** Too many passwords are being checked: come again in `retryAfter` seconds. */
export class BusyError extends Error {
  override readonly name = "BusyError";
  readonly retryAfter = 2;

  constructor() {
    super("too many passwords are being checked: try again in 2 s");
  }
}

const longestQueue = 32;
const longestWait = 2_000; // 2 s

/**
 * Lets few hashes run at once: each takes tens of MiB and a thread of libuv's pool, which files need too.
 * Rejects with {@link BusyError} when the queue is full, or the wait too long.
 */
export class HashingQueue {
  readonly #slots: number;
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(slots: number, clock: Clock) {
    this.#slots = slots;
    this.#clock = clock;
  }

  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#running < this.#slots) this.#running += 1;
    else await this.#turn();
    try {
      return await job();
    } finally {
      this.#passOn();
    }
  }

  /** Resolves when a slot was handed over. */
  #turn(): Promise<void> {
    if (this.#waiting.size >= longestQueue) return Promise.reject(new BusyError());
    return new Promise((resolve, reject) => {
      const stopWaiting = this.#clock.after(longestWait, () => {
        this.#waiting.delete(begin);
        reject(new BusyError());
      });
      const begin = (): void => {
        stopWaiting();
        resolve();
      };
      this.#waiting.add(begin);
    });
  }

  #passOn(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
