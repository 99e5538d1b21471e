/** What a deadline needs of a clock. */
export interface Timers {
  /** Monotonic, milliseconds. */
  monotonic(): number;
  after(delay: number, callback: () => void): () => void;
}

interface Queue<T> {
  /** In the order they were added, which within one queue is the order of their deadlines. */
  readonly dueAt: Map<T, number>;
  cancelTimer: () => void;
}

/** Deadlines of many items by one timer for each distinct duration: no timer per request. */
export class Deadlines<T> {
  readonly #timers: Timers;
  readonly #onDue: (item: T) => void;
  readonly #queues = new Map<number, Queue<T>>();

  constructor(timers: Timers, onDue: (item: T) => void) {
    this.#timers = timers;
    this.#onDue = onDue;
  }

  add(item: T, duration: number): void {
    const now = this.#timers.monotonic();
    const queue = this.#queues.get(duration);
    if (queue !== undefined) {
      queue.dueAt.set(item, now + duration);
      return;
    }
    const first: Queue<T> = { dueAt: new Map([[item, now + duration]]), cancelTimer: () => {} };
    this.#queues.set(duration, first);
    this.#arm(duration, first, duration);
  }

  delete(item: T, duration: number): void {
    this.#queues.get(duration)?.dueAt.delete(item);
  }

  /** Forgets all items and stops all timers. */
  clear(): void {
    for (const queue of this.#queues.values()) queue.cancelTimer();
    this.#queues.clear();
  }

  #arm(duration: number, queue: Queue<T>, delay: number): void {
    queue.cancelTimer = this.#timers.after(delay, () => this.#sweep(duration, queue));
  }

  #sweep(duration: number, queue: Queue<T>): void {
    const now = this.#timers.monotonic();
    for (const [item, dueAt] of queue.dueAt) {
      if (dueAt > now) {
        this.#arm(duration, queue, dueAt - now); // also when the timer fired a little early
        return;
      }
      queue.dueAt.delete(item);
      this.#onDue(item);
    }
    if (this.#queues.get(duration) === queue) this.#queues.delete(duration);
  }
}
