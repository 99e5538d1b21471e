import type { Push } from "./push.js";

/** A frame's text: of an answer, or of a push, which can be taken back until it is written. */
export type Item = string | Push;

/** Where an outbox writes to. */
export interface Sink {
  /** Called before each write: the last moment to take pushes back. */
  review(): void;
  /** Writes all frames in one go. */
  write(items: readonly Item[]): void;
  /**
   * There is more in the outbox than its limit. Called at once, and for each item that is added
   * after it.
   */
  overflowed(): void;
}

/**
 * Outboxes with something to send: flushed together, once per turn of the event loop, by one shared
 * callback.
 */
export class FlushQueue {
  #waiting: Outbox[] = [];
  #scheduled: NodeJS.Immediate | undefined;

  add(outbox: Outbox): void {
    this.#waiting.push(outbox);
    this.#scheduled ??= setImmediate(() => this.#flush());
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#scheduled = undefined;
    for (const outbox of waiting) outbox.flush();
  }
}

const shortText = 256; // characters

/** Of an outbox with nothing in it; nothing is ever pushed into it. */
const empty: Item[] = [];

/** What one connection is about to send: collected in a turn, written at its end. */
export class Outbox {
  readonly #sink: Sink;
  readonly #queue: FlushQueue;
  #items: Item[] = empty;
  #length = 0;
  #isQueued = false;
  /** Bytes above which the sink is told. */
  limit = Number.POSITIVE_INFINITY;

  constructor(sink: Sink, queue: FlushQueue) {
    this.#sink = sink;
    this.#queue = queue;
  }

  /** Bytes that wait to be written; short texts are measured in characters. */
  get length(): number {
    return this.#length;
  }

  add(item: Item): void {
    if (this.#items.length === 0)
      this.#items = [item]; // room for one: a push into an empty array takes room for 17
    else this.#items.push(item);
    this.#length += lengthOf(item);
    this.wake();
    if (this.#length > this.limit) this.#sink.overflowed();
  }

  /**
   * Takes back the pushes that have not been written, in order: all, or those that `isWanted`
   * picks.
   */
  takePushes(isWanted: (push: Push) => boolean = () => true): readonly Push[] {
    const taken: Push[] = [];
    if (this.#items.length === 0) return taken;
    this.#items = this.#items.filter((item) => {
      if (typeof item === "string" || !isWanted(item)) return true;
      taken.push(item);
      this.#length -= lengthOf(item);
      return false;
    });
    return taken;
  }

  /** Calls the sink at the end of this turn, even with nothing to write. */
  wake(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    this.#queue.add(this);
  }

  flush(): void {
    this.#sink.review();
    const items = this.#items;
    this.clear();
    this.#isQueued = false;
    this.#sink.write(items);
  }

  clear(): void {
    this.#items = empty;
    this.#length = 0;
  }
}

/**
 * Exact where it matters: for a short text, counting its bytes would cost as much as all the rest
 * here.
 */
function lengthOf(item: Item): number {
  const text = typeof item === "string" ? item : item.text;
  return text.length > shortText ? Buffer.byteLength(text) : text.length;
}
