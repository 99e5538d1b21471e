import type { Push } from "./push.js";

/** The text of an answer, or a push, which can be taken back until it is written. */
export type Item = string | Push;

/** The destination of an outbox. */
export interface Sink {
  /** Called before each write, as the last chance to take pushes back. */
  review(): void;
  /** Writes all frames at once. */
  write(items: readonly Item[]): void;
  /**
   * Called when an item exceeds the limit of the outbox, and for each further item.
   */
  overflowed(): void;
}

/**
 * Flushes all outboxes that have something to send, once per turn of the event loop, in one shared
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

/** Shared by all empty outboxes, and never modified. */
const empty: Item[] = [];

/** Collects the frames of one connection during a turn, and writes them at its end. */
export class Outbox {
  readonly #sink: Sink;
  readonly #queue: FlushQueue;
  #items: Item[] = empty;
  #length = 0;
  #isQueued = false;
  /** Bytes above which the outbox calls `overflowed` of its sink. */
  limit = Number.POSITIVE_INFINITY;

  constructor(sink: Sink, queue: FlushQueue) {
    this.#sink = sink;
    this.#queue = queue;
  }

  /** Bytes waiting to be written, with short texts measured in characters. */
  get length(): number {
    return this.#length;
  }

  add(item: Item): void {
    if (this.#items.length === 0)
      // a literal has room for one element; a push into an empty array allocates room for 17
      this.#items = [item];
    else this.#items.push(item);
    this.#length += lengthOf(item);
    this.wake();
    if (this.#length > this.limit) this.#sink.overflowed();
  }

  /**
   * Removes and returns the unwritten pushes in order: all, or those that `isWanted` selects.
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
 * Exact only for long texts: counting the bytes of a short one would cost as much as the rest of
 * `add`.
 */
function lengthOf(item: Item): number {
  const text = typeof item === "string" ? item : item.text;
  return text.length > shortText ? Buffer.byteLength(text) : text.length;
}
