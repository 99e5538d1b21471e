import type { AttemptCounters } from "../../store/store.js";

const freeFailures = 5;
const firstDelay = 1; // s, doubled by each failure
const longestDelay = 900; // 15 min, in s

/** Returns the seconds for which an account is locked for an address after a number of failures. */
export function delayAfter(failures: number): number {
  return failures < freeFailures
    ? 0
    : Math.min(firstDelay * 2 ** (failures - freeFailures), longestDelay);
}

/**
 * Returns whether another password may be tried now (`now` in seconds). Counts the attempt as
 * failed before it runs, so concurrent attempts cannot exceed the limit; a success clears the
 * count.
 */
export async function admitAttempt(
  attempts: AttemptCounters,
  key: string,
  now: number,
): Promise<boolean> {
  const { failures, lastAt } = await attempts.get(key);
  if (isWaiting(now, lastAt, delayAfter(failures))) return false;
  const before = (await attempts.fail(key, now)) - 1;
  // a greater count than the one read means concurrent attempts
  return before <= failures || delayAfter(before) === 0;
}

function isWaiting(now: number, since: number, delay: number): boolean {
  // a clock that is set back must not extend the lockout
  return now >= since && now < since + delay;
}
