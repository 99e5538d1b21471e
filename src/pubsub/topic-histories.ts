import type { Position } from "../protocol/messages.js";
import type { HistoryOptions, PastEvent, TopicState } from "./bus.js";
import type { Generations, HistoryEntry } from "./history-log.js";

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
  /** That of the newest event which subscribers may learn of. */
  told: number;
  /** Oldest first, without a hole. */
  events: KeptEvent[];
  /** Milliseconds, as last published. */
  ttl: number;
  /** Maximum number of events, as last published. */
  size: number;
}

/** Where an event stands. */
export interface Place {
  readonly generation: number;
  readonly offset: number;
}

const maxTopics = 65_536; // above it, the longest silent topics without events are forgotten
// a map whose first entries were deleted is slow to find the next one: 48 µs
const forgottenAtOnce = 1_024;

/**
 * The histories of the topics of one node, in memory.
 *
 * Only an event makes a topic known: reading any number of unknown topics costs no memory. An
 * unknown topic stands at offset 0 of the current generation. A generation ends when a topic that
 * had an event in it is forgotten. So a subscriber who read an unknown topic in a generation that
 * is newer than every forgotten event has missed none, whenever the topic's first event comes.
 */
export class TopicHistories {
  readonly #epoch: string;
  readonly #now: () => number;
  readonly #pasts = new Map<string, Past>();
  #generation = 0;
  /** The newest generation that subscribers may learn of. */
  #toldGeneration = 0;
  /** No forgotten topic had an event in a later generation. */
  #forgottenGeneration = -1;

  /** `epoch`: different for all histories there ever were. `now`: monotonic milliseconds. */
  constructor(epoch: string, now: () => number) {
    this.#epoch = epoch;
    this.#now = now;
  }

  /** How many topics are known. */
  get size(): number {
    return this.#pasts.size;
  }

  get generations(): Generations {
    return { newest: this.#generation, forgotten: this.#forgottenGeneration };
  }

  epochOf({ generation }: Pick<Place, "generation">): string {
    return `${this.#epoch}.${generation}`;
  }

  /** Adds an event, of which no subscriber may learn before {@link tell}. */
  append(topic: string, data: string, { size, ttl }: HistoryOptions): Place {
    const past = this.#pasts.get(topic) ?? this.#begin(ttl);
    this.#touch(topic, past, ttl);
    past.newestGeneration = this.#generation;
    past.size = size;
    past.offset += 1;
    past.events.push({ offset: past.offset, data, at: this.#now() });
    if (past.events.length > size) past.events.shift();
    return past;
  }

  /** From now on subscribers may learn of the event. */
  tell(topic: string, { offset }: Place): void {
    const past = this.#pasts.get(topic);
    if (past !== undefined) past.told = offset;
    this.tellGenerations();
  }

  /** From now on subscribers may learn of the generations until now. */
  tellGenerations(): void {
    this.#toldGeneration = this.#generation;
  }

  /** Takes back the newest event of a topic, of which no subscriber has learned. */
  takeBack(topic: string): void {
    const past = this.#pasts.get(topic);
    if (past === undefined) return;
    if (past.events.at(-1)?.offset === past.offset) past.events.pop();
    past.offset -= 1;
  }

  read(topic: string, { ttl }: HistoryOptions, since: Position | undefined): TopicState {
    const known = this.#pasts.get(topic);
    if (known !== undefined) {
      this.#touch(topic, known, ttl);
      this.#forgetOld(known);
    }
    const past = known ?? this.#begin(ttl, this.#toldGeneration); // not remembered
    const place = { epoch: this.epochOf(past), offset: past.told };
    if (since === undefined) return { ...place, missed: [] };
    const oldest = past.offset - past.events.length; // the newest that is forgotten
    const recovered =
      this.#isOf(past, since.epoch) &&
      since.offset >= Math.min(oldest, past.told) &&
      since.offset <= past.told;
    return {
      ...place,
      recovered,
      missed: recovered ? past.events.slice(since.offset - oldest, past.told - oldest) : [],
    };
  }

  /** Forgets old events, and, of too many topics without events, those that were silent longest. */
  sweep(): void {
    for (const past of this.#pasts.values()) this.#forgetOld(past);
    for (const [topic, past] of this.#pasts) {
      if (this.#pasts.size <= maxTopics) return;
      if (past.events.length === 0) this.#forget(topic, past);
    }
  }

  /** Takes over what a log has kept. `age`: of the entry, in milliseconds. */
  restore({ topic, offset, generation, size, ttl, data }: HistoryEntry, age: number): void {
    const known = this.#pasts.get(topic);
    const past = known?.generation === generation ? known : this.#resume(ttl, generation);
    if (data === undefined || past.offset + 1 !== offset) past.events = [];
    past.size = size;
    past.newestGeneration = Math.max(past.newestGeneration, this.#generation);
    past.offset = offset;
    past.told = offset;
    if (data !== undefined) past.events.push({ offset, data, at: this.#now() - age });
    if (past.events.length > size) past.events.shift();
    this.#touch(topic, past, ttl);
  }

  /** Takes over the generations of a log. */
  restoreGenerations({ newest, forgotten }: Generations): void {
    this.#generation = Math.max(this.#generation, newest);
    this.#toldGeneration = this.#generation;
    this.#forgottenGeneration = Math.max(this.#forgottenGeneration, forgotten);
  }

  /**
   * All that subscribers may have learned of, as a log keeps it. `wallTime`: the time since 1970 of
   * a monotonic one.
   */
  *entries(wallTime: (monotonic: number) => number): Generator<HistoryEntry> {
    // a copy: topics are used meanwhile
    for (const [topic, past] of [...this.#pasts]) {
      const { generation, told, size, ttl } = past;
      this.#forgetOld(past);
      const events = past.events.filter(({ offset }) => offset <= told);
      const common = { topic, generation, size, ttl };
      if (events.length === 0)
        yield { ...common, offset: told, at: Math.round(wallTime(this.#now())) };
      for (const { offset, data, at } of events)
        yield { ...common, offset, data, at: Math.round(wallTime(at)) };
    }
  }

  /** A topic without a past. */
  #begin(ttl: number, generation = this.#generation): Past {
    return {
      generation,
      oldestGeneration: this.#forgottenGeneration + 1,
      newestGeneration: generation,
      offset: 0,
      told: 0,
      events: [],
      ttl,
      size: 0,
    };
  }

  /** A topic of a log. Its own generation counts, however many others were forgotten since. */
  #resume(ttl: number, generation: number): Past {
    const past = this.#begin(ttl, generation);
    return { ...past, oldestGeneration: Math.min(past.oldestGeneration, generation) };
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

  /** Is that the epoch of this past, or of the topic while it had none yet? */
  #isOf({ oldestGeneration, generation }: Past, epoch: string): boolean {
    const number = Number(epoch.slice(this.#epoch.length + 1));
    return (
      number >= oldestGeneration &&
      number <= generation &&
      epoch === this.epochOf({ generation: number })
    );
  }

  #forgetOld(past: Past): void {
    const limit = this.#now() - past.ttl;
    const kept = past.events.findIndex(({ at }) => at > limit);
    if (kept !== 0) past.events = kept === -1 ? [] : past.events.slice(kept);
  }
}
