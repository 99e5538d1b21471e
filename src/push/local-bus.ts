import type { Position } from "../protocol/messages.js";
import type { Bus, BusListener, HistoryOptions, TopicState } from "./bus.js";

interface PastEvent {
  readonly offset: number;
  readonly data: string;
  /** Monotonic. */
  readonly at: number;
}

interface Past {
  /** That of the newest event. */
  offset: number;
  /** Oldest first, without a hole. */
  events: PastEvent[];
  /** Milliseconds, as last published. */
  ttl: number;
}

const mostTopics = 65_536; // whose offsets are remembered after their events are forgotten

/** The bus of a node that is alone: everything happens at once, and in memory. */
export class LocalBus implements Bus {
  readonly #epoch: string;
  readonly #now: () => number;
  readonly #listeners = new Set<BusListener>();
  readonly #pasts = new Map<string, Past>();
  /** No topic that was forgotten had a greater offset: one that begins again never repeats an offset under the same epoch. */
  #floor = 0;

  /** `epoch`: different for each bus there ever was. `now`: monotonic milliseconds. */
  constructor(epoch: string, now: () => number) {
    this.#epoch = epoch;
    this.#now = now;
  }

  publish(topic: string, data: string, history: HistoryOptions | undefined): void {
    if (history === undefined) return this.#tell((listener) => listener.event({ topic, data }));
    const past = this.#pastOf(topic, history.ttl);
    past.offset += 1;
    past.events.push({ offset: past.offset, data, at: this.#now() });
    if (past.events.length > history.size) past.events.shift();
    this.#tell((listener) => listener.event({ topic, data, offset: past.offset, epoch: this.#epoch }));
  }

  read(topic: string, { ttl }: HistoryOptions, since: Position | undefined): TopicState {
    const past = this.#pastOf(topic, ttl);
    this.#forgetOld(past);
    const place = { epoch: this.#epoch, offset: past.offset };
    if (since === undefined) return { ...place, missed: [] };
    const oldest = past.offset - past.events.length; // the newest that is forgotten
    const recovered = since.epoch === this.#epoch && since.offset >= oldest && since.offset <= past.offset;
    return { ...place, recovered, missed: recovered ? past.events.slice(since.offset - oldest) : [] };
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
    for (const past of this.#pasts.values()) this.#forgetOld(past);
    for (const [topic, { events, offset }] of this.#pasts) {
      if (this.#pasts.size <= mostTopics) return;
      if (events.length > 0) continue;
      this.#pasts.delete(topic);
      this.#floor = Math.max(this.#floor, offset);
    }
  }

  #pastOf(topic: string, ttl: number): Past {
    const past = this.#pasts.get(topic) ?? { offset: this.#floor, events: [], ttl };
    past.ttl = ttl;
    this.#pasts.delete(topic); // the topic that was used last comes last
    this.#pasts.set(topic, past);
    return past;
  }

  #forgetOld(past: Past): void {
    if (past.ttl === 0) return;
    const limit = this.#now() - past.ttl;
    const kept = past.events.findIndex(({ at }) => at > limit);
    if (kept !== 0) past.events = kept === -1 ? [] : past.events.slice(kept);
  }

  #tell(say: (listener: BusListener) => void): void {
    for (const listener of this.#listeners) say(listener);
  }
}
