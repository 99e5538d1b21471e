import { setTimeout as pause } from "node:timers/promises";
import { eventually } from "../helpers/eventually.js";
import type { Fleet } from "./fleet.js";

/** Publishes one event after the other, on any node that runs. */
export class Publisher {
  readonly #fleet: Fleet;
  readonly #acknowledged = new Set<number>();
  readonly #stop = new AbortController();
  readonly #work: Promise<void>;
  #next = 0;

  /** `pace`: milliseconds between two events. */
  constructor(fleet: Fleet, pace: number) {
    this.#fleet = fleet;
    this.#work = this.#publish(pace);
  }

  get published(): number {
    return this.#acknowledged.size;
  }

  readonly isPublished = (n: number): boolean => this.#acknowledged.has(n);

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  /** Returns the last event, which is certainly published. */
  async finish(): Promise<number> {
    await this.stop();
    return eventually(() => this.#one(), 10_000);
  }

  async #publish(pace: number): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#one().catch(() => {}); // not known: the event may be there or not
      await pause(Math.max(pace, 1), undefined, { signal }).catch(() => {}); // aborted: finished
    }
  }

  async #one(): Promise<number> {
    const n = this.#next++;
    await this.#fleet.any().publish(n);
    this.#acknowledged.add(n);
    return n;
  }
}
