import type { Bus, BusListener } from "../../../src/pubsub/bus.js";

/**
 * Carries messages between servers of one process, later in the same turn; topics are not its
 * matter.
 */
export class TestBus implements Bus {
  readonly #listeners = new Set<BusListener>();
  readonly sent: string[] = [];
  /** Set: the bus can't be reached. */
  isBroken = false;

  publish(): void {}

  read(): never {
    throw new Error("no topics here");
  }

  async send(message: string): Promise<void> {
    if (this.isBroken) throw new Error("the bus can't be reached");
    this.sent.push(message);
    await Promise.resolve();
    for (const listener of [...this.#listeners]) listener.message(message);
  }

  subscribe(listener: BusListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
