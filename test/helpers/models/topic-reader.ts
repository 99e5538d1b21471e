import { expect } from "chai";
import type { HarnessPeer, SubscriptionHarness } from "./subscription-harness.js";

/** Of one topic: what a reader has seen, in order. */
export type Seen = number | "gap";

interface Feed {
  readonly name: "kept" | "plain";
  readonly seen: Seen[];
  epoch?: string;
  offset: number;
  isSubscribed: boolean;
  hasBegun: boolean;
  /** A second call with `$since` asked for a replay. */
  mayRepeat: boolean;
  /** A call that subscribes has no answer yet. */
  isCalling: boolean;
}

/**
 * Reads two topics by the rules that the protocol gives to clients, and writes down what it saw.
 */
export class TopicReader {
  readonly kept: Feed = {
    name: "kept",
    seen: [],
    offset: 0,
    isSubscribed: false,
    hasBegun: false,
    mayRepeat: false,
    isCalling: false,
  };
  readonly plain: Feed = {
    name: "plain",
    seen: [],
    offset: 0,
    isSubscribed: false,
    hasBegun: false,
    mayRepeat: false,
    isCalling: false,
  };
  readonly #rig: SubscriptionHarness;
  #peer: HarnessPeer | undefined;
  #lastId = 0;
  readonly #calls = new Map<number, (result: Record<string, unknown> | undefined) => void>();

  constructor(rig: SubscriptionHarness) {
    this.#rig = rig;
  }

  get isConnected(): boolean {
    return this.#peer !== undefined && !this.#peer.isClosed;
  }

  /** Connects, authenticates for so many seconds, and subscribes, all in one go. */
  connect(seconds: number): void {
    if (this.isConnected) return;
    this.#calls.clear();
    this.#peer = this.#rig.connect();
    for (const feed of [this.kept, this.plain])
      feed.isSubscribed = feed.mayRepeat = feed.isCalling = false;
    this.#call("authenticate", { token: this.#token(seconds) }, () => {});
    for (const feed of [this.kept, this.plain]) this.subscribe(feed);
  }

  subscribe(feed: Feed): void {
    const { epoch, offset } = feed;
    const hadBegun = feed.hasBegun;
    feed.isCalling = true;
    if (feed.isSubscribed && epoch !== undefined) feed.mayRepeat = true;
    this.#call(feed.name, epoch === undefined ? {} : { $since: { epoch, offset } }, (result) => {
      feed.isCalling = false;
      // of a second call: events may have overtaken the answer
      if (result === undefined || feed.isSubscribed) return;
      if (hadBegun && result.recovered !== true) tellGap(feed.seen);
      feed.isSubscribed = true;
      feed.hasBegun = true;
      if (feed.name === "plain" || result.recovered === true) return;
      feed.epoch = result.epoch as string;
      feed.offset = result.offset as number;
    });
  }

  /** Not while a call that subscribes is under way: answers may overtake each other. */
  unsubscribe(feed: Feed): void {
    if (!feed.isSubscribed || feed.isCalling) return;
    this.#call("unsubscribe", { subscription: feed.name }, (result) => {
      if (result !== undefined) feed.isSubscribed = false;
    });
  }

  refresh(seconds: number): void {
    this.#call("refresh", { token: this.#token(seconds) }, () => {});
  }

  stall(): void {
    this.#peer?.stall();
  }

  drain(): void {
    this.#peer?.socket.drain();
  }

  leave(): void {
    this.#peer?.leave();
  }

  /** Takes in what has come. */
  read(): void {
    for (const frame of this.#peer?.received() ?? []) this.#take(frame);
  }

  #take({ id, result, method, params }: Record<string, unknown>): void {
    if (id !== undefined) {
      const taken = this.#calls.get(id as number);
      this.#calls.delete(id as number);
      return taken?.(result as Record<string, unknown> | undefined);
    }
    const { subscription, offset, gap, data } = Object(params) as Record<string, unknown>;
    const feed = subscription === "kept" ? this.kept : this.plain;
    if (method === "subscription.ended") feed.isSubscribed = false;
    if (method !== "subscription.event") return;
    expect(feed.isSubscribed, `an event of ${subscription} without a subscription`).to.equal(true);
    this.#see(feed, (data as { n: number }).n, offset as number | undefined, gap === true);
  }

  #see(feed: Feed, n: number, offset: number | undefined, isAfterGap: boolean): void {
    if (feed.mayRepeat && offset !== undefined && offset <= feed.offset) return;
    const last = feed.seen.at(-1);
    if (isAfterGap && typeof last === "number")
      expect(n, "a gap was told, so there is one").to.be.greaterThan(last + 1);
    if (isAfterGap) tellGap(feed.seen);
    if (offset !== undefined) {
      if (!isAfterGap)
        expect(offset, "no gap was told, so there is none").to.equal(feed.offset + 1);
      feed.offset = offset;
    }
    feed.seen.push(n);
  }

  #call(
    method: string,
    params: object,
    taken: (result: Record<string, unknown> | undefined) => void,
  ): void {
    const id = ++this.#lastId;
    this.#calls.set(id, taken);
    this.#peer?.send({ id, method, params });
  }

  #token(seconds: number): string {
    return String(this.#rig.clock.now() / 1000 + seconds);
  }
}

function tellGap(seen: Seen[]): void {
  if (seen.at(-1) !== "gap") seen.push("gap");
}
