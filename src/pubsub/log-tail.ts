import type { Position } from "../protocol/messages.js";
import type { PastEvent, TopicState } from "./bus.js";

/** Where the application's own log of a topic stands. */
export interface LogPlace extends Position {
  /** The offset of the oldest event; 0 if none was deleted. */
  readonly oldest: number;
}

/** What one reading of the log has brought. */
export interface LogPage {
  readonly events: readonly PastEvent[];
  /** The offset up to which it was read. */
  readonly offset: number;
  /** Whether the log has no more. */
  readonly isWhole: boolean;
  /** Whether events were left out that cannot be sent. */
  readonly hasLoss: boolean;
}

/** The application's own log of one topic. Each function settles within a bounded time. */
export interface LogSource {
  latest(): Promise<LogPlace>;
  read(after: number): Promise<LogPage>;
  /** Calls `callback` later. Returns the function that prevents it. */
  after(delayMs: number, callback: () => void): () => void;
  /** Hears of a failure, after which reading is tried again. */
  failed(error: unknown): void;
  /** Hears that an event came too late: after one with a higher offset. */
  disordered(offset: number): void;
}

/** Receives the events of the log in order. */
export interface LogTailPort {
  event(event: PastEvent, epoch: string): void;
  /** Events before the next one were lost. */
  missed(): void;
}

const maxPending = 64; // published events that wait for the log
const maxRecent = 256; // offsets that are known to have been delivered
const [shortestWait, longestWait] = [1_000, 30_000]; // ms between attempts to read

/**
 * Follows the application's own log of a topic on one node. A published event is delivered at once
 * if its offset is one above the last: nothing can lie between. Otherwise the log is read from the
 * last event on, which also brings what a node has logged and not published before it died, and
 * puts events in order whose publishing overtook each other.
 */
export class LogTail {
  readonly #source: LogSource;
  readonly #port: LogTailPort;
  #position: Position | undefined;
  /** What was delivered up to here, or before, is not known one by one. */
  #floor = 0;
  #recent = new Set<number>();
  /** Published events that wait until the log was read, by offset. */
  #pending = new Map<number, string>();
  #isReading = false;
  /** Something was published, or may have been, since the log was last read. */
  #isBehind = false;
  #wait = shortestWait;
  #stopWaiting: (() => void) | undefined;
  #isClosed = false;
  #latest: Promise<LogPlace> | undefined;
  #reads = new Map<number, Promise<LogPage>>();

  constructor(source: LogSource, port: LogTailPort) {
    this.#source = source;
    this.#port = port;
  }

  /** Takes an event as the bus carries it. */
  published(text: string): void {
    const [head, offset] = /^\[(\d{1,16}),/.exec(text) ?? [];
    if (head === undefined) return this.gap();
    this.#publish(Number(offset), text.slice(head.length, -1));
  }

  /** Events may have been published of which this node has not heard. */
  gap(): void {
    this.#isBehind = true;
    this.#catchUp();
  }

  /** The place for a new subscriber, and what it has missed since `since`. */
  async read(since: Position | undefined): Promise<TopicState> {
    let latest = await this.#askLatest();
    // what was delivered meanwhile is past
    const newest = () => Math.max(latest.offset, this.#positionIn(latest.epoch));
    const isAhead = () =>
      since !== undefined && (since.epoch !== latest.epoch || since.offset > newest());
    // somebody else may have asked before that place was reached
    if (isAhead()) {
      latest = await this.#source.latest();
      this.#reach(latest);
    }
    const { epoch } = latest;
    const here = () => ({ epoch, offset: newest(), missed: [] });
    if (since === undefined) return here();
    if (isAhead() || since.offset < latest.oldest - 1) return { ...here(), recovered: false };
    if (since.offset === newest()) return { ...here(), recovered: true };
    const expected = newest();
    const pages = [await this.#readOnce(since.offset)];
    const { offset: reached, isWhole } = pages[0] as LogPage;
    // the same of who has begun to read
    if (isWhole && reached < expected) pages.push(await this.#source.read(reached));
    if (pages.some((page) => !page.isWhole || page.hasLoss)) return { ...here(), recovered: false };
    const missed = pages.flatMap(({ events }) => events);
    const offset = Math.max(latest.offset, (pages.at(-1) as LogPage).offset);
    return { epoch, offset, recovered: true, missed };
  }

  close(): void {
    this.#isClosed = true;
    this.#stopWaiting?.();
    this.#pending.clear();
  }

  #positionIn(epoch: string): number {
    return this.#position?.epoch === epoch ? this.#position.offset : 0;
  }

  /** Those who ask while one answer is out share it: each of them has joined before it is used. */
  #askLatest(): Promise<LogPlace> {
    this.#latest ??= this.#source
      .latest()
      .then((place) => {
        this.#reach(place);
        return place;
      })
      .finally(() => {
        this.#latest = undefined;
      });
    return this.#latest;
  }

  #readOnce(after: number): Promise<LogPage> {
    const reading =
      this.#reads.get(after) ??
      this.#source.read(after).finally(() => {
        this.#reads.delete(after);
      });
    this.#reads.set(after, reading);
    return reading;
  }

  /** Takes over where the log stands. */
  #reach({ epoch, offset }: Position): void {
    const last = this.#position;
    if (last === undefined || last.epoch !== epoch) {
      if (last !== undefined) this.#port.missed();
      this.#position = { epoch, offset };
      this.#floor = offset;
      this.#recent.clear();
      this.#proceed();
    } else if (offset > last.offset) this.gap();
  }

  #publish(offset: number, data: string): void {
    const last = this.#position;
    if (last === undefined || this.#isReading || offset > last.offset + 1) {
      this.#pending.set(offset, data);
      if (this.#pending.size > maxPending) this.#pending.delete(Math.min(...this.#pending.keys()));
      if (last !== undefined && !this.#isReading) this.gap();
    } else if (offset === last.offset + 1) {
      this.#deliver({ offset, data });
      this.#proceed();
    } else if (!this.#recent.has(offset)) void this.#late(offset, data);
  }

  /**
   * Either it was past before this node began to follow, or the log is another one, or it is late.
   */
  async #late(offset: number, data: string): Promise<void> {
    const before = this.#position?.epoch;
    try {
      const { epoch } = await this.#askLatest();
      if (this.#isClosed) return;
      if (epoch !== before) return this.#publish(offset, data);
    } catch (error) {
      return this.#source.failed(error);
    }
    if (offset <= this.#floor || this.#recent.has(offset)) return;
    this.#source.disordered(offset);
    this.#port.missed();
  }

  /** Delivers what waits and follows at once. */
  #proceed(): void {
    for (const offset of [...this.#pending.keys()].sort((a, b) => a - b)) {
      const { offset: last } = this.#position as Position;
      const data = this.#pending.get(offset) as string;
      if (offset > last + 1) return this.gap();
      this.#pending.delete(offset);
      if (offset === last + 1) this.#deliver({ offset, data });
    }
  }

  #deliver(event: PastEvent): void {
    const { epoch } = this.#position as Position;
    this.#position = { epoch, offset: event.offset };
    this.#recent.add(event.offset);
    for (const oldest of this.#recent) {
      if (this.#recent.size <= maxRecent) break;
      this.#recent.delete(oldest);
      this.#floor = oldest;
    }
    this.#port.event(event, epoch);
  }

  #catchUp(): void {
    if (this.#isReading || this.#stopWaiting !== undefined || this.#position === undefined) return;
    this.#isReading = true;
    void this.#readAll(); // never rejects
  }

  async #readAll(): Promise<void> {
    try {
      while (this.#isBehind && !this.#isClosed) await this.#readNext();
      this.#wait = shortestWait;
    } catch (error) {
      this.#isBehind = true;
      this.#source.failed(error);
      this.#stopWaiting = this.#source.after(this.#wait, () => {
        this.#stopWaiting = undefined;
        this.#catchUp();
      });
      this.#wait = Math.min(this.#wait * 2, longestWait);
    } finally {
      this.#isReading = false;
    }
    if (this.#isBehind && !this.#isClosed) this.#catchUp();
  }

  async #readNext(): Promise<void> {
    this.#isBehind = false;
    const { epoch, offset } = this.#position as Position;
    const known = [...this.#pending.keys()]; // published before the log is read
    const { events, offset: reached, isWhole, hasLoss } = await this.#source.read(offset);
    if (this.#isClosed) return;
    if (this.#position?.epoch !== epoch) return this.gap();
    if (hasLoss) this.#port.missed();
    for (const event of events) this.#deliver(event);
    const last = Math.max(this.#position.offset, reached);
    this.#position = { epoch, offset: last };
    for (const one of this.#pending.keys()) if (one <= last) this.#pending.delete(one);
    if (!isWhole) return this.gap();
    // published, but not in the log: nobody else will bring it
    for (const one of known.sort((a, b) => a - b)) {
      const data = this.#pending.get(one);
      this.#pending.delete(one);
      if (data !== undefined && one > (this.#position as Position).offset)
        this.#deliver({ offset: one, data });
    }
    if (this.#pending.size > 0) this.#isBehind = true;
  }
}
