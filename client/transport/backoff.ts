import { adviceOf } from "./closing.js";

/** The shortest and the longest wait between two attempts, in milliseconds. */
export interface BackoffRange {
  /**
   * The shortest wait.
   *
   * @default 500 ms
   */
  readonly min: number;
  /**
   * The longest wait.
   *
   * @default 20_000 ms
   */
  readonly max: number;
}

/**
 * Returns the milliseconds to wait before attempt `attempt` (1 is the first): full jitter between
 * `min` and a ceiling that doubles with each attempt, up to `max`. `random` is in [0, 1).
 */
export function backoff(attempt: number, { min, max }: BackoffRange, random: number): number {
  const ceiling = Math.min(max, min * 2 ** attempt) || min; // 0 times Infinity is no number
  return between(min, Math.max(min, ceiling), random);
}

/** Returns the point between `low` and `high` at which `random`, in [0, 1), lies. */
export function between(low: number, high: number, random: number): number {
  return low + random * (high - low);
}

/**
 * Returns the milliseconds to wait before attempt `attempt`, and at least the seconds that the
 * server has advised.
 */
export function delayOf(
  attempt: number,
  { backoff: range, random }: { readonly backoff: BackoffRange; random(): number },
  retryAfter?: unknown,
): number {
  return Math.max(backoff(attempt, range, random()), adviceOf(retryAfter) || 0);
}
