/**
 * The source of all times of the client: everything that waits or compares times uses it. Tests
 * pass their own.
 */
export interface ClientClock {
  /**
   * Wall clock, milliseconds since 1970. It runs on while the computer sleeps, and may be set back
   * or forth.
   */
  now(): number;
  /**
   * Monotonic clock, milliseconds from an arbitrary start. It never goes back, and may stand still
   * while the computer sleeps.
   */
  monotonic(): number;
  /**
   * Calls `callback` once, about `delay` milliseconds later, unless the returned function was
   * called before.
   */
  after(delay: number, callback: () => void): () => void;
}

const longestTimer = 2 ** 31 - 1; // a longer one fires at once, in Node and in browsers

/**
 * The machine's clocks. A longer delay than a timer can hold fires early: whoever waits compares
 * the time and waits again.
 */
export const machineClock: ClientClock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delay, callback) {
    const timer = setTimeout(callback, Math.min(delay, longestTimer));
    return () => clearTimeout(timer);
  },
};
