import type { Position } from "../protocol/messages.js";
import type { Bus, BusListener, HistoryOptions, TopicState } from "./bus.js";
import { TopicHistories } from "./topic-histories.js";

/** The bus of a node that is alone: everything happens at once, and in memory. */
export class LocalBus implements Bus {
  readonly #histories: TopicHistories;
  readonly #listeners = new Set<BusListener>();

  /** `epoch`: different for each bus there ever was. `now`: monotonic milliseconds. */
  constructor(epoch: string, now: () => number) {
    this.#histories = new TopicHistories(epoch, now);
  }

  /** How many topics are remembered. */
  get size(): number {
    return this.#histories.size;
  }

  publish(topic: string, data: string, history: HistoryOptions | undefined): void {
    if (history === undefined) return this.#tell((listener) => listener.event({ topic, data }));
    const place = this.#histories.append(topic, data, history);
    const { offset } = place;
    this.#histories.tell(topic, place);
    const epoch = this.#histories.epochOf(place);
    this.#tell((listener) => listener.event({ topic, data, offset, epoch }));
  }

  read(topic: string, history: HistoryOptions, since: Position | undefined): TopicState {
    return this.#histories.read(topic, history, since);
  }

  send(message: string): void {
    this.#tell((listener) => listener.message(message));
  }

  subscribe(listener: BusListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Forgets old events, and, of too many topics without events, those that were silent longest. */
  sweep(): void {
    this.#histories.sweep();
    this.#histories.tellGenerations();
  }

  #tell(say: (listener: BusListener) => void): void {
    for (const listener of this.#listeners) say(listener);
  }
}
