import type { Clock } from "../runtime/clock.js";

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/** Time that moves only when a test says so. */
export class ManualClock implements Clock {
  #wall: number;
  #monotonic = 1_000;
  readonly #timers = new Set<Timer>();

  /** `wall`: milliseconds since 1970. */
  constructor(wall = 1_790_000_000_000) {
    this.#wall = wall;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(delay: number, callback: () => void): () => void {
    const timer = { at: this.#monotonic + Math.max(delay, 0), callback };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves both clocks, and runs what is due on the way, in order. */
  advance(milliseconds: number): void {
    const end = this.#monotonic + milliseconds;
    while (this.runNext(end));
    this.#moveTo(end);
  }

  /**
   * Moves both clocks to the next timer that is due at `end` of the monotonic clock at the latest,
   * and runs it. Returns `false` if no timer is due.
   */
  runNext(end: number): boolean {
    const next = this.#nextUntil(end);
    if (next === undefined) return false;
    this.#timers.delete(next);
    this.#moveTo(next.at);
    next.callback();
    return true;
  }

  /**
   * Moves both clocks and runs nothing, as while the event loop stands still: what is due comes
   * with the next `advance`.
   */
  stall(milliseconds: number): void {
    this.#moveTo(this.#monotonic + milliseconds);
  }

  /** Moves only the wall clock, as an administrator or NTP would. */
  stepWall(milliseconds: number): void {
    this.#wall += milliseconds;
  }

  #nextUntil(end: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers)
      if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer;
    return next;
  }

  #moveTo(monotonic: number): void {
    const passed = Math.max(0, monotonic - this.#monotonic);
    this.#wall += passed;
    this.#monotonic += passed;
  }
}
