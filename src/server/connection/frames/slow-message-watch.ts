import type { Clock } from "../../../runtime/clock.js";

/** What is looked at. */
export interface WatchedMessage {
  /** Closes when a message has been arriving at more than so many looks in a row. */
  lookAtArrival(most: number): void;
}

const looks = 4; // within the time that a message has

/**
 * Sees to it that no message takes longer to arrive than it may: by one timer for all connections,
 * and nothing for each message. It is told apart from silence by the bytes that came without
 * completing anything, so its time runs from the first look at which there were some: a message is
 * cut after a quarter more than its time, or two quarters when it follows another one closely.
 */
export class SlowMessageWatch {
  readonly #clock: Clock;
  readonly #interval: number;
  readonly #connections: Iterable<WatchedMessage>;
  #cancelTimer: (() => void) | undefined;

  /** `timeout`: milliseconds from first byte to last; 0 = any time. */
  constructor(clock: Clock, timeout: number, connections: Iterable<WatchedMessage>) {
    this.#clock = clock;
    this.#interval = timeout / looks;
    this.#connections = connections;
  }

  start(): void {
    if (this.#cancelTimer === undefined && this.#interval > 0) this.#lookLater();
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #lookLater(): void {
    this.#cancelTimer = this.#clock.after(this.#interval, () => {
      this.#lookLater();
      for (const connection of this.#connections) connection.lookAtArrival(looks);
    });
  }
}
