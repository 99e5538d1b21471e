/** Where an outbox writes to. */
export interface Sink {
  /** Writes all frames in one go. */
  write(texts: readonly string[]): void;
}

/** Outboxes with something to send: flushed together, once per turn of the event loop, by one shared callback. */
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

/** What one connection is about to send: collected in a turn, written at its end. */
export class Outbox {
  readonly #sink: Sink;
  readonly #queue: FlushQueue;
  #texts: string[] = [];
  #length = 0;
  #isQueued = false;

  constructor(sink: Sink, queue: FlushQueue) {
    this.#sink = sink;
    this.#queue = queue;
  }

  /** Characters that wait to be written. */
  get length(): number {
    return this.#length;
  }

  add(text: string): void {
    this.#texts.push(text);
    this.#length += text.length;
    this.wake();
  }

  /** Calls the sink at the end of this turn, even with nothing to write. */
  wake(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    this.#queue.add(this);
  }

  flush(): void {
    const texts = this.#texts;
    this.#texts = [];
    this.#length = 0;
    this.#isQueued = false;
    this.#sink.write(texts);
  }

  clear(): void {
    this.#texts = [];
    this.#length = 0;
  }
}
