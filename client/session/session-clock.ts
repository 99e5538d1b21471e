import type { ClientClock } from "../transport/clock.js";

const longestTick = 30_000; // 30 s: how late a computer's waking up may be noticed
// 10 s: a tick later than this means that the computer slept, or that the page was frozen
const slack = 10_000;

export interface SessionClock {
  /** Starts afresh: `due` in `refreshIn` milliseconds; never, when it is `Infinity`. */
  start(refreshIn: number): void;
  stop(): void;
  /**
   * Looks at the clocks now, for whoever learns that time may have passed unseen; `isAwake`: and
   * takes it for waking up, whatever they say.
   */
  check(isAwake?: boolean): void;
}

/**
 * Measures the time until a session should be refreshed by both clocks, and takes the longer: one
 * of them may have stood still during sleep. A wall clock that is set forth looks like sleep, which
 * costs an early refresh and a ping.
 */
export function createSessionClock(
  clock: ClientClock,
  due: () => void,
  woke: () => void,
): SessionClock {
  let left = Number.POSITIVE_INFINITY;
  let tick = 0;
  let wall = 0;
  let monotonic = 0;
  let cancel: (() => void) | undefined; // none while stopped

  const wait = () => {
    wall = clock.now();
    monotonic = clock.monotonic();
    tick = Math.min(longestTick, left);
    cancel = clock.after(tick, () => check());
  };

  const check = (isAwake = false) => {
    if (!cancel) return;
    cancel();
    const passed = Math.max(clock.now() - wall, clock.monotonic() - monotonic);
    const slept = passed > tick + slack;
    left -= passed;
    const isDue = left <= 0;
    if (isDue) left = Number.POSITIVE_INFINITY;
    wait();
    if (slept || isAwake) woke();
    if (isDue) due();
  };

  return {
    start(refreshIn) {
      cancel?.();
      left = refreshIn;
      wait();
    },
    stop() {
      cancel?.();
      cancel = undefined;
    },
    check,
  };
}
