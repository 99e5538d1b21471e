/** Where an outbox writes to. */
export interface Sink {
  /** Called before each write: the last moment to take pushes back. */
  review(): void;
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
  /** Which of the texts are pushes. */
  #pushes = new Set<number>();
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

  /** As {@link add}, for what can be taken back until it is written. */
  addPush(text: string): void {
    this.#pushes.add(this.#texts.length);
    this.add(text);
  }

  /** Takes back the pushes that have not been written, in order. */
  takePushes(): readonly string[] {
    if (this.#pushes.size === 0) return [];
    const taken = this.#texts.filter((_, index) => this.#pushes.has(index));
    this.#texts = this.#texts.filter((_, index) => !this.#pushes.has(index));
    this.#length = this.#texts.reduce((sum, { length }) => sum + length, 0);
    this.#pushes.clear();
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
    const texts = this.#texts;
    this.clear();
    this.#isQueued = false;
    this.#sink.write(texts);
  }

  clear(): void {
    this.#texts = [];
    this.#pushes.clear();
    this.#length = 0;
  }
}
