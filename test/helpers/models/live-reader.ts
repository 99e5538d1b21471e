import { expect } from "chai";

interface Answer {
  readonly epoch?: string;
  readonly offset?: number;
  readonly recovered?: boolean;
  readonly snapshot?: Readonly<Record<string, number>>;
}

interface Frame {
  readonly id?: unknown;
  readonly method?: string;
  readonly result?: Answer & { readonly gap?: boolean };
  readonly error?: { readonly code: number };
  readonly params?: {
    readonly subscription?: string;
    readonly epoch?: string;
    readonly offset?: number;
    readonly gap?: boolean;
    readonly data?: { readonly card: string; readonly version: number };
  };
}

/** What a reader sends: a call of its topic. */
export type Subscribe = (id: string, params: object) => void;

/**
 * Keeps the state of one topic current, by the rules that the protocol gives to clients: the
 * snapshot, then the events, each applied by its version.
 */
export class LiveReader {
  readonly topic: string;
  readonly #subscribe: Subscribe;
  #cards: Map<string, number> | undefined;
  #place: { readonly epoch: string; readonly offset: number } | undefined;
  #calls = 0;
  /** The call that has no answer yet. */
  #asked: string | undefined;
  isSubscribed = false;
  /** Events were lost, so the state is not current. */
  #isStale = false;
  /** Place of the event that said so while a call was out. */
  #gapAt = Number.NEGATIVE_INFINITY;
  /** How often each thing has happened. */
  readonly seen = { snapshots: 0, recovered: 0, gaps: 0, events: 0, refused: 0 };

  constructor(topic: string, subscribe: Subscribe) {
    this.topic = topic;
    this.#subscribe = subscribe;
  }

  get cards(): Readonly<Record<string, number>> | undefined {
    return this.#cards && Object.fromEntries(this.#cards);
  }

  /** Whether there is nothing left to ask for. */
  get isCurrent(): boolean {
    return this.isSubscribed && this.#asked === undefined && !this.#isStale;
  }

  /** There is another connection. */
  connected(): void {
    this.#asked = undefined;
    this.isSubscribed = false;
    this.ask();
  }

  /** Subscribes, or asks for a fresh snapshot if the state is not current. */
  ask(): void {
    if (this.#asked !== undefined || this.isCurrent) return;
    this.#asked = `${this.topic} ${++this.#calls}`;
    this.#gapAt = Number.NEGATIVE_INFINITY;
    const mayResume = this.#place !== undefined && this.#cards !== undefined && !this.#isStale;
    this.#subscribe(
      this.#asked,
      mayResume ? { $since: this.#place } : this.isSubscribed ? { $snapshot: true } : {},
    );
  }

  take(frame: Frame): void {
    if (frame.id !== undefined && frame.id === this.#asked) this.#answered(frame);
    if (frame.params?.subscription !== this.topic) return;
    if (frame.method === "subscription.ended") this.isSubscribed = false;
    if (frame.method === "subscription.event") this.#event(frame.params);
  }

  #answered({ result, error }: Frame): void {
    this.#asked = undefined;
    if (result === undefined || error !== undefined) {
      this.seen.refused++;
      return;
    }
    this.isSubscribed = true;
    if (result.recovered === true) {
      expect(result, "no snapshot beside missed events").to.not.have.property("snapshot");
      this.seen.recovered++;
      return;
    }
    expect(result, "a snapshot").to.have.property("snapshot");
    this.seen.snapshots++;
    this.#cards = new Map(Object.entries(result.snapshot ?? {}));
    const { epoch, offset } = result;
    if (epoch !== undefined && offset !== undefined) this.#place = { epoch, offset };
    this.#isStale = this.#gapAt > (offset ?? Number.NEGATIVE_INFINITY);
  }

  #event({ epoch, offset, gap, data }: NonNullable<Frame["params"]>): void {
    expect(this.isSubscribed, `an event of ${this.topic} without a subscription`).to.equal(true);
    this.seen.events++;
    const last = this.#place;
    if (gap === true) {
      this.seen.gaps++;
      this.#isStale = true;
      this.#gapAt = offset ?? Number.POSITIVE_INFINITY;
    }
    if (last !== undefined && offset !== undefined) {
      const isOther = epoch !== undefined && epoch !== last.epoch;
      if (!isOther && offset <= last.offset) return this.#mark();
      if (gap !== true)
        expect(offset, "no event behind the place is missing").to.equal(last.offset + 1);
      this.#place = { epoch: epoch ?? last.epoch, offset };
    }
    const { card, version } = data as { card: string; version: number };
    this.#cards?.set(card, Math.max(version, this.#cards.get(card) ?? 0));
    this.#mark();
  }

  #mark(): void {
    if (this.#isStale) this.ask();
  }
}
