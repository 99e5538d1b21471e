import type { Logger } from "./logger.js";

/**
 * Time as the server sees it. Tests hand in their own; everything that waits or compares times goes
 * through it.
 */
export interface Clock {
  /** Wall clock, milliseconds since 1970. May be set back or forth while the process runs. */
  now(): number;
  /** Monotonic clock, milliseconds from an arbitrary start. Never goes back. */
  monotonic(): number;
  /**
   * Calls `callback` once, at least `delay` milliseconds later, unless the returned function was
   * called before. Never keeps the process alive.
   */
  after(delay: number, callback: () => void): () => void;
}

const longestTimer = 2 ** 31 - 1; // Node fires a longer one at once

/**
 * The machine's clocks. A longer delay than a timer can hold fires early: whoever waits compares
 * the time and waits again.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delay, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(delay, 0), longestTimer));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Calls `work` again and again, `interval` milliseconds apart. Returns the function that stops. */
export function every(clock: Clock, interval: number, work: () => void): () => void {
  let stop = () => {};
  const wait = () => {
    stop = clock.after(interval, () => {
      wait();
      work();
    });
  };
  wait();
  return () => stop();
}

/** A clock whose timers catch what they call throws: nothing of it ends the process. */
export function clockWithErrorHandling(clock: Clock, log: Logger): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (delay, callback) =>
      clock.after(delay, () => {
        try {
          callback();
        } catch (error) {
          log.error({ event: "timer.fail", err: error }, "a timer's callback threw");
        }
      }),
  };
}
