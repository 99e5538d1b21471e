import type { Clock } from "../../runtime/clock.js";
import { prefixOf } from "../../runtime/ip-address.js";

const second = 1_000;

/**
 * How many tokens each address may have judged in a second: a signature costs more than all the
 * rest of a call.
 */
export class AuthRateLimiter {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #onExceeded: (address: string) => void;
  /** Of this second; emptied by the first call of the next one. */
  readonly #spent = new Map<string, number>();
  #since = Number.NEGATIVE_INFINITY;

  /**
   * `most`: calls of one address in a second. `onExceeded` hears of each that is refused.
   */
  constructor(clock: Clock, most: number, onExceeded: (address: string) => void = () => {}) {
    this.#clock = clock;
    this.#most = most;
    this.#onExceeded = onExceeded;
  }

  /** Takes one. False: this address has none left in this second. */
  take(address: string): boolean {
    if (this.#most === Number.POSITIVE_INFINITY) return true;
    const now = this.#clock.monotonic();
    if (now - this.#since >= second) {
      this.#since = now;
      this.#spent.clear();
    }
    const prefix = prefixOf(address);
    const spent = this.#spent.get(prefix) ?? 0;
    if (spent >= this.#most) {
      this.#onExceeded(address);
      return false;
    }
    this.#spent.set(prefix, spent + 1);
    return true;
  }
}
