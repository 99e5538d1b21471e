import type { Clock } from "../../runtime/clock.js";

/**
 * When something ends: by the wall clock, and by the monotonic clock as it stood when this was
 * made. The stricter one counts.
 */
export class Expiry {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly #monotonic: number;

  /** `at` in milliseconds since 1970; may be any number that a token can carry. */
  constructor(at: number, clock: Clock) {
    this.at = at;
    this.#monotonic = clock.monotonic() + (at - clock.now());
  }

  /**
   * Milliseconds left, at most 0 when it is over: expired means now >= exp, with no leeway (RFC
   * 7519 §4.1.4).
   */
  left(clock: Clock): number {
    return Math.min(this.at - clock.now(), this.#monotonic - clock.monotonic());
  }

  isOver(clock: Clock): boolean {
    return this.left(clock) <= 0;
  }
}

/** Whole seconds, at least 1 as long as anything is left. */
export function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1000);
}

/**
 * A moment in 70–85 % of what is left, so that clients spread out: in whole seconds where there is
 * one in that range.
 */
export function refreshAdvice(expiresIn: number, random: number): number {
  const drawn = expiresIn * (0.7 + 0.15 * random);
  const whole = Math.round(drawn);
  return whole >= expiresIn * 0.7 && whole <= expiresIn * 0.85
    ? whole
    : Math.round(drawn * 1000) / 1000;
}

/**
 * How many milliseconds before expiry to warn: 20 % of what was left, between 5 and 60 s; never,
 * when under 10 s were left.
 */
export function warningLead(left: number): number {
  return left < 10_000 ? Number.NEGATIVE_INFINITY : Math.min(Math.max(left * 0.2, 5_000), 60_000);
}
