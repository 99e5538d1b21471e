/** What a deadline needs of a clock. */
export interface Timers {
  /** Monotonic, milliseconds. */
  monotonic(): number;
  after(delay: number, callback: () => void): () => void;
}

interface Lane<T> {
  /** In the order they were added, which within one lane is the order of their deadlines. */
  readonly dueAt: Map<T, number>;
  cancelTimer: () => void;
}

/** Deadlines of many items by one timer for each distinct duration: no timer per request. */
export class Deadlines<T> {
  readonly #timers: Timers;
  readonly #onDue: (item: T) => void;
  readonly #lanes = new Map<number, Lane<T>>();

  constructor(timers: Timers, onDue: (item: T) => void) {
    this.#timers = timers;
    this.#onDue = onDue;
  }

  add(item: T, duration: number): void {
    const now = this.#timers.monotonic();
    const lane = this.#lanes.get(duration);
    if (lane !== undefined) {
      lane.dueAt.set(item, now + duration);
      return;
    }
    const first: Lane<T> = { dueAt: new Map([[item, now + duration]]), cancelTimer: () => {} };
    this.#lanes.set(duration, first);
    this.#arm(duration, first, duration);
  }

  delete(item: T, duration: number): void {
    this.#lanes.get(duration)?.dueAt.delete(item);
  }

  /** Forgets all items and stops all timers. */
  clear(): void {
    for (const lane of this.#lanes.values()) lane.cancelTimer();
    this.#lanes.clear();
  }

  #arm(duration: number, lane: Lane<T>, delay: number): void {
    lane.cancelTimer = this.#timers.after(delay, () => this.#sweep(duration, lane));
  }

  #sweep(duration: number, lane: Lane<T>): void {
    const now = this.#timers.monotonic();
    for (const [item, dueAt] of lane.dueAt) {
      if (dueAt > now) {
        this.#arm(duration, lane, dueAt - now); // also when the timer fired a little early
        return;
      }
      lane.dueAt.delete(item);
      this.#onDue(item);
    }
    if (this.#lanes.get(duration) === lane) this.#lanes.delete(duration);
  }
}
