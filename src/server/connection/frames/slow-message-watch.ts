import { type Clock, every } from "../../../runtime/clock.js";
import type { Connection } from "../connection.js";

const samples = 4; // within the time that a message has

/**
 * Closes connections whose message takes too long to arrive, with one timer for all
 * connections and no work per message. Received bytes that complete no message tell a slow message
 * from silence, so its time runs from the first sample with such bytes: the close comes after 1 to
 * 1.25 times the limit, or up to 1.5 times if the message follows another one closely.
 */
export class SlowMessageWatch {
  readonly #clock: Clock;
  readonly #interval: number;
  readonly #connections: Iterable<Connection>;
  #stop: (() => void) | undefined;

  /** @param timeout milliseconds from the first to the last byte of a message */
  constructor(clock: Clock, timeout: number, connections: Iterable<Connection>) {
    this.#clock = clock;
    this.#interval = timeout / samples;
    this.#connections = connections;
  }

  start(): void {
    if (this.#interval === Number.POSITIVE_INFINITY) return;
    this.#stop ??= every(this.#clock, this.#interval, () => {
      for (const connection of this.#connections) connection.checkArrival(samples);
    });
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}
