import type { AttemptCounters } from "../../store/store.js";

const freeFailures = 5;
const firstDelay = 1; // s, doubled by each failure
const longestDelay = 900; // 15 min, in s

/** Seconds for which an account is closed to an address after so many failures. */
export function delayAfter(failures: number): number {
  return failures < freeFailures
    ? 0
    : Math.min(firstDelay * 2 ** (failures - freeFailures), longestDelay);
}

/**
 * May another password be tried now (`now` in seconds)? If so, the attempt is counted as a failure
 * at once, and cleared when it succeeds: of many attempts at the same time none slips past the
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
  // more than was read: others try at this moment
  return before <= failures || delayAfter(before) === 0;
}

function isWaiting(now: number, since: number, delay: number): boolean {
  // a clock that was set back closes nobody out for longer
  return now >= since && now < since + delay;
}
