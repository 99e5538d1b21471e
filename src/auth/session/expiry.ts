import type { Clock } from "../../runtime/clock.js";

/**
 * When something ends: by the wall clock, and by the monotonic clock as it stood when this was
 * made. The stricter one counts.
 */
export class Expiry {
  /** Seconds since 1970. */
  readonly at: number;
  readonly #wall: number;
  readonly #monotonic: number;

  /** `at` in seconds since 1970; may be any number that a token can carry. */
  constructor(at: number, clock: Clock) {
    this.at = at;
    this.#wall = at * 1000;
    this.#monotonic = clock.monotonic() + (this.#wall - clock.now());
  }

  /**
   * Milliseconds left, at most 0 when it is over: expired means now >= exp, with no leeway (RFC
   * 7519 §4.1.4).
   */
  left(clock: Clock): number {
    return Math.min(this.#wall - clock.now(), this.#monotonic - clock.monotonic());
  }

  isOver(clock: Clock): boolean {
    return this.left(clock) <= 0;
  }
}
