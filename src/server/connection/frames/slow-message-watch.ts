import { type Clock, every } from "../../../runtime/clock.js";
import type { Connection } from "../connection.js";

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
  readonly #connections: Iterable<Connection>;
  #stop: (() => void) | undefined;

  /** `timeout`: milliseconds from first byte to last. */
  constructor(clock: Clock, timeout: number, connections: Iterable<Connection>) {
    this.#clock = clock;
    this.#interval = timeout / looks;
    this.#connections = connections;
  }

  start(): void {
    if (this.#interval === Number.POSITIVE_INFINITY) return;
    this.#stop ??= every(this.#clock, this.#interval, () => {
      for (const connection of this.#connections) connection.lookAtArrival(looks);
    });
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}
