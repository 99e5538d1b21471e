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
  /** Of this second; emptied by the first call of the next one. */
  readonly #spent = new Map<string, number>();
  #since = Number.NEGATIVE_INFINITY;

  /** `most`: calls of one address in a second, 0 = any number. */
  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  /** Takes one. False: this address has none left in this second. */
  take(address: string): boolean {
    if (this.#most === 0) return true;
    const now = this.#clock.monotonic();
    if (now - this.#since >= second) {
      this.#since = now;
      this.#spent.clear();
    }
    const prefix = prefixOf(address);
    const spent = this.#spent.get(prefix) ?? 0;
    if (spent >= this.#most) return false;
    this.#spent.set(prefix, spent + 1);
    return true;
  }
}
