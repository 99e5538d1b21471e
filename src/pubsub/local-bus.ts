import type { Position } from "../protocol/messages.js";
import type { Bus, BusListener, HistoryOptions, PastEvent, TopicState } from "./bus.js";

interface KeptEvent extends PastEvent {
  /** Monotonic. */
  readonly at: number;
}

interface Past {
  /** The generation of its first event: names the history. */
  readonly generation: number;
  /** A subscriber of a generation before this one may have missed events that are forgotten. */
  readonly oldestGeneration: number;
  /** The generation of the newest event. */
  newestGeneration: number;
  /** That of the newest event. */
  offset: number;
  /** Oldest first, without a hole. */
  events: KeptEvent[];
  /** Milliseconds, as last published. */
  ttl: number;
}

const maxTopics = 65_536; // above it, the longest silent topics without events are forgotten
// a map whose first entries were deleted is slow to find the next one: 48 µs
const forgottenAtOnce = 1_024;

/**
 * The bus of a node that is alone: everything happens at once, and in memory.
 *
 * Only `publish` remembers a topic: reading any number of unknown topics costs no memory. An
 * unknown topic stands at offset 0 of the current generation. A generation ends when a topic that
 * had an event in it is forgotten. So a subscriber who read an unknown topic in a generation that
 * is newer than every forgotten event has missed none, whenever the topic's first event comes.
 */
export class LocalBus implements Bus {
  readonly #epoch: string;
  readonly #now: () => number;
  readonly #listeners = new Set<BusListener>();
  readonly #pasts = new Map<string, Past>();
  #generation = 0;
  /** No forgotten topic had an event in a later generation. */
  #forgottenGeneration = -1;

  /** `epoch`: different for each bus there ever was. `now`: monotonic milliseconds. */
  constructor(epoch: string, now: () => number) {
    this.#epoch = epoch;
    this.#now = now;
  }

  /** How many topics are remembered. */
  get size(): number {
    return this.#pasts.size;
  }

  publish(topic: string, data: string, history: HistoryOptions | undefined): void {
    if (history === undefined) return this.#tell((listener) => listener.event({ topic, data }));
    const past = this.#pasts.get(topic) ?? this.#begin(history.ttl);
    this.#touch(topic, past, history.ttl);
    past.newestGeneration = this.#generation;
    past.offset += 1;
    past.events.push({ offset: past.offset, data, at: this.#now() });
    if (past.events.length > history.size) past.events.shift();
    const epoch = this.#epochOf(past.generation);
    this.#tell((listener) => listener.event({ topic, data, offset: past.offset, epoch }));
  }

  read(topic: string, { ttl }: HistoryOptions, since: Position | undefined): TopicState {
    const known = this.#pasts.get(topic);
    if (known !== undefined) {
      this.#touch(topic, known, ttl);
      this.#forgetOld(known);
    }
    const past = known ?? this.#begin(ttl); // not remembered
    const place = { epoch: this.#epochOf(past.generation), offset: past.offset };
    if (since === undefined) return { ...place, missed: [] };
    const oldest = past.offset - past.events.length; // the newest that is forgotten
    const recovered =
      this.#isOf(past, since.epoch) && since.offset >= oldest && since.offset <= past.offset;
    return {
      ...place,
      recovered,
      missed: recovered ? past.events.slice(since.offset - oldest) : [],
    };
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
    for (const [topic, past] of this.#pasts) {
      if (this.#pasts.size <= maxTopics) return;
      if (past.events.length === 0) this.#forget(topic, past);
    }
  }

  /** A topic without a past. */
  #begin(ttl: number): Past {
    const generation = this.#generation;
    return {
      generation,
      oldestGeneration: this.#forgottenGeneration + 1,
      newestGeneration: generation,
      offset: 0,
      events: [],
      ttl,
    };
  }

  /** The topic that was used last comes last. */
  #touch(topic: string, past: Past, ttl: number): void {
    past.ttl = ttl;
    if (!this.#pasts.delete(topic)) this.#makeRoom();
    this.#pasts.set(topic, past);
  }

  /** For more topics, before the next sweep: as long as the longest silent ones have no events. */
  #makeRoom(): void {
    if (this.#pasts.size < maxTopics) return;
    for (const [topic, past] of this.#pasts) {
      this.#forgetOld(past);
      if (past.events.length > 0 || this.#pasts.size <= maxTopics - forgottenAtOnce) return;
      this.#forget(topic, past);
    }
  }

  #forget(topic: string, { newestGeneration }: Past): void {
    this.#pasts.delete(topic);
    this.#forgottenGeneration = Math.max(this.#forgottenGeneration, newestGeneration);
    this.#generation = Math.max(this.#generation, this.#forgottenGeneration + 1);
  }

  #epochOf(generation: number): string {
    return `${this.#epoch}.${generation}`;
  }

  /** Is that the epoch of this past, or of the topic while it had none yet? */
  #isOf({ oldestGeneration, generation }: Past, epoch: string): boolean {
    const number = Number(epoch.slice(this.#epoch.length + 1));
    return number >= oldestGeneration && number <= generation && epoch === this.#epochOf(number);
  }

  #forgetOld(past: Past): void {
    const limit = this.#now() - past.ttl;
    const kept = past.events.findIndex(({ at }) => at > limit);
    if (kept !== 0) past.events = kept === -1 ? [] : past.events.slice(kept);
  }

  #tell(say: (listener: BusListener) => void): void {
    for (const listener of this.#listeners) say(listener);
  }
}
