import { secondsOf } from "./closing.js";

/** Milliseconds. */
export interface BackoffRange {
  readonly min: number;
  readonly max: number;
}

/**
 * How long to wait before try `attempt` (1 is the first): full jitter between `min` and a ceiling
 * that doubles with each try, up to `max`. `random` is in [0, 1). Milliseconds.
 */
export function backoff(attempt: number, { min, max }: BackoffRange, random: number): number {
  const ceiling = Math.min(max, min * 2 ** attempt) || min; // 0 times Infinity is no number
  return between(min, Math.max(min, ceiling), random);
}

/** The point between `low` and `high` at which `random`, in [0, 1), lies. */
export function between(low: number, high: number, random: number): number {
  return low + random * (high - low);
}

/**
 * How long to wait before try `attempt`, in milliseconds: not less than the server has advised, in
 * seconds.
 */
export function delayOf(
  attempt: number,
  { backoff: range, random }: { readonly backoff: BackoffRange; random(): number },
  retryAfter?: unknown,
): number {
  return Math.max(backoff(attempt, range, random()), (secondsOf(retryAfter) ?? 0) * 1_000);
}
