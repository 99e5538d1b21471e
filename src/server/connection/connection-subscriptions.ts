/**
 * What is sent unasked on one connection: declared notifications, and the events of its
 * subscriptions.
 */
import { errorOf } from "../../protocol/error-codes.js";
import type { SubscribeResult } from "../../protocol/messages.js";
import type { Outbox } from "../../pubsub/outbox.js";
import type { Push } from "../../pubsub/push.js";
import { PushGate, type SlowReaderCounts } from "../../pubsub/push-gate.js";
import type {
  SubscriberPort,
  Subscription,
  SubscriptionEnding,
} from "../../pubsub/subscription.js";
import { EventPush } from "../../pubsub/subscription-frames.js";
import { RpcFault } from "../../rpc/dispatch/call.js";
import { FixedWindowCounter } from "../admission/accept-limits.js";
import type { Telemetry } from "../telemetry/telemetry.js";
import type { SubscriptionRight } from "./subscription-right.js";
import type { SubscriptionRights } from "./subscription-rights.js";

const maxReads = 4; // concurrent reads of histories
const maxReplayed = 8_388_608; // 8 Mi characters of replayed events that wait to be sent

type SessionState = "open" | "active" | "expired" | "closed";

/** The connection, as its subscriptions see it. */
export interface SubscriptionsHost {
  readonly id: string;
  readonly state: SessionState;
  /** Returns whether the send buffer exceeds its soft limit. */
  isHigh(): boolean;
}

/** Tells the application of the subscriptions that begin and end. */
export interface SubscriptionObserver {
  subscribed(connection: string, subscription: string, right: SubscriptionRight): void;
  unsubscribed(
    connection: string,
    subscription: string,
    right: SubscriptionRight,
    ending: SubscriptionEnding,
  ): void;
  /** Whether the application is so far behind that the connection may not subscribe. */
  isBehind(connection: string): boolean;
}

/** A subscription with its bookkeeping. */
export interface Kept {
  readonly subscription: Subscription;
  readonly right: SubscriptionRight;
  /** The result of the call that opened the subscription. */
  readonly opened: SubscribeResult | Promise<SubscribeResult>;
  /** Number of calls that were or will be answered with this subscription. */
  calls: number;
  /** Whether the hook `subscribed` was called. */
  isTold: boolean;
}

export class ConnectionSubscriptions implements SubscriberPort {
  readonly #host: SubscriptionsHost;
  readonly #outbox: Outbox;
  readonly #pushGate: PushGate;
  readonly #slowReaders: SlowReaderCounts;
  readonly #rights: SubscriptionRights;
  readonly #observer: SubscriptionObserver;
  #kept: Map<string, Kept> | undefined; // lazy, since most connections have no subscription
  #lastId = 0;
  /** Number of histories being read, and the reads that wait for their turn. */
  #reads = 0;
  #readers: (() => void)[] | undefined;
  #calls: FixedWindowCounter | undefined;
  /** Rights of subscriptions that begin when the application has allowed it. */
  #askedFirst: Set<SubscriptionRight> | undefined;

  constructor(
    host: SubscriptionsHost,
    outbox: Outbox,
    { pushes, slowReaders }: Telemetry,
    rights: SubscriptionRights,
    observer: SubscriptionObserver,
  ) {
    this.#host = host;
    this.#rights = rights;
    this.#observer = observer;
    this.#outbox = outbox;
    this.#pushGate = new PushGate(outbox, pushes);
    this.#slowReaders = slowReaders;
  }

  /** Number of subscriptions. */
  get size(): number {
    return this.#kept?.size ?? 0;
  }

  get(id: string): Kept | undefined {
    return this.#kept?.get(id);
  }

  /**
   * Throws {@link RpcFault} and calls `onFull` if there are already `max` subscriptions.
   */
  mustHaveRoom(max: number, onFull: () => void): void {
    if (this.size < max) return;
    onFull();
    const hint = `at most ${max} subscriptions; unsubscribe first`;
    // not temporary: only an unsubscribe makes room
    throw new RpcFault(errorOf("overloaded", { temporary: false, action: "stop", hint }));
  }

  /**
   * Counts a call of a subscription. Throws {@link RpcFault} and calls `onExcess` after more than
   * `max` calls in this second.
   */
  countCall(now: number, max: number, onExcess: () => void): void {
    this.#calls ??= new FixedWindowCounter();
    if (this.#calls.at(now) >= max) {
      onExcess();
      throw new RpcFault(
        errorOf("rate_limited", {
          retryAfter: 1,
          hint: `at most ${max} calls of subscriptions per second`,
        }),
      );
    }
    this.#calls.add(now);
  }

  /** Throws {@link RpcFault} while too many of the application's hooks wait for each other. */
  mustKeepUp(): void {
    if (!this.#observer.isBehind(this.#host.id)) return;
    const hint = "the application has not yet heard of earlier subscriptions of this connection";
    throw new RpcFault(errorOf("overloaded", { retryAfter: 1, hint }));
  }

  /**
   * Reads a history, with few others at the same time, which bounds the memory for events that the
   * peer may never read. Throws {@link RpcFault}, or rejects with it, if too many events of earlier
   * reads still wait to be sent.
   */
  readHistory<T>(read: () => T | Promise<T>): T | Promise<T> {
    if (this.#reads < maxReads) return this.#read(read);
    return new Promise<void>((resolve) => {
      this.#readers ??= [];
      this.#readers.push(resolve);
    }).then(() => this.#read(read));
  }

  /** The rights of all subscriptions, also of those that have not begun. */
  *rights(): Generator<SubscriptionRight> {
    for (const { right } of this.#all()) yield right;
    if (this.#askedFirst !== undefined) yield* [...this.#askedFirst];
  }

  /**
   * Registers a right that was asked for the first time, until the returned function is called: a
   * refresh and `server.reauthorize` have it asked anew.
   */
  keepAsked(right: SubscriptionRight): () => void {
    this.#askedFirst ??= new Set();
    this.#askedFirst.add(right);
    this.#rights.add(right);
    return () => {
      this.#askedFirst?.delete(right);
      if (right.subscription === undefined) this.#rights.forget(right); // which closes it
    };
  }

  /** Ends the subscriptions to one of a method's topics, or to all of them. Returns how many. */
  revoke(method: string | undefined, topic: string | undefined): number {
    const ended = this.#all().filter(
      ({ right }) =>
        (method === undefined || right.entry.name === method) &&
        (topic === undefined || right.topic === topic),
    );
    for (const { subscription } of ended) subscription.end("forbidden");
    return ended.length;
  }

  /** Registers a subscription until it ends. */
  keep(kept: Kept): void {
    this.#kept ??= new Map();
    this.#kept.set(kept.subscription.id, kept);
    kept.right.subscription = kept.subscription;
    if (!kept.right.hasRule) return;
    this.#rights.add(kept.right);
    this.#rights.repeat(kept.right);
  }

  /** Returns an id that no subscription of this connection has. */
  newId(): string {
    do this.#lastId++;
    while (this.#kept?.has(String(this.#lastId)));
    return String(this.#lastId);
  }

  /**
   * Ends a subscription and drops its unsent events. Returns `false` if there is no such
   * subscription.
   */
  unsubscribe(id: string): boolean {
    const kept = this.#kept?.get(id);
    if (kept === undefined) return false;
    kept.subscription.stop();
    this.#pushGate.forget(id);
    return true;
  }

  // The port of the subscriptions.

  send(push: Push): void {
    this.#pushGate.add(push, this.#host.state);
  }

  tellEnd(push: Push): void {
    this.#pushGate.addEnd(push, this.#host.state);
  }

  forget(subscription: string): void {
    this.#pushGate.forget(subscription);
  }

  takeBack(subscription: string): readonly Push[] {
    return this.#pushGate.takeBack(subscription);
  }

  holds(subscription: string): boolean {
    return this.#pushGate.holds(subscription);
  }

  isHigh(): boolean {
    return this.#host.isHigh();
  }

  isLive(): boolean {
    return this.#host.state === "active";
  }

  tooSlow(outcome: "gap" | "ended"): void {
    this.#slowReaders[outcome]++;
  }

  began(subscription: Subscription): void {
    const kept = this.#kept?.get(subscription.id);
    if (kept?.subscription !== subscription) return;
    kept.isTold = true;
    this.#observer.subscribed(this.#host.id, subscription.id, kept.right);
  }

  ended(subscription: Subscription, ending: SubscriptionEnding): void {
    const kept = this.#kept?.get(subscription.id);
    if (kept?.subscription !== subscription) return;
    this.#kept?.delete(subscription.id);
    if (kept.right.hasRule) this.#rights.forget(kept.right);
    if (kept.isTold)
      this.#observer.unsubscribed(this.#host.id, subscription.id, kept.right, ending);
  }

  // Called by the connection.

  /** Holds unwritten pushes, since the session has expired. */
  hold(): void {
    this.#pushGate.hold();
  }

  /**
   * Ends the subscriptions that a new token no longer allows, before any of their events is sent.
   */
  review(): void {
    for (const right of this.rights()) {
      if (right.hasRule) void this.#rights.ask(right);
      else void right.ask();
    }
  }

  /** Asks the application's rules again. Resolves when all have answered. */
  async reauthorize(): Promise<void> {
    const asked = [...this.rights()].filter(({ hasRule }) => hasRule);
    await Promise.all(asked.map((right) => this.#rights.ask(right)));
  }

  /**
   * Releases the held pushes after a refresh. Calls `answer` first, with whether pushes were lost,
   * to send the result of the refresh.
   */
  release(answer: (gap: boolean) => void): void {
    const { pushes, gap, lossy } = this.#pushGate.release();
    answer(gap);
    for (const push of pushes) this.#releaseOne(push);
    for (const { subscription } of this.#all()) if (subscription.isPaused) subscription.pause();
    for (const id of lossy) this.#kept?.get(id)?.subscription.lost();
    this.resume();
  }

  /** The application may have changed its mind about an event since it was held. */
  #releaseOne(push: Push): void {
    const subscription = this.#subscriptionOf(push);
    const isPaused = subscription?.isPaused ?? true;
    const released = push instanceof EventPush && !isPaused ? subscription?.released(push) : push;
    if (released !== undefined) this.#outbox.add(released);
  }

  #subscriptionOf({ subscription, isEnd }: Push): Subscription | undefined {
    return subscription === undefined || isEnd
      ? undefined
      : this.#kept?.get(subscription)?.subscription;
  }

  /** Resumes the subscriptions after back-pressure or a refresh. */
  resume(): void {
    for (const { subscription } of this.#all()) subscription.resume();
  }

  /** Drops all pushes and ends all subscriptions, so that no event of one user reaches the next. */
  logout(): void {
    this.#pushGate.drop();
    for (const { subscription } of this.#all()) subscription.end("logout");
  }

  /** Stops all subscriptions, since the connection closes. */
  close(): void {
    this.#pushGate.drop();
    for (const { subscription } of this.#all()) subscription.stop("closed");
  }

  #read<T>(read: () => T | Promise<T>): T | Promise<T> {
    let reading: T | Promise<T> | undefined;
    try {
      this.#mustHaveReplayed();
      reading = read();
    } finally {
      if (!(reading instanceof Promise)) this.#readers?.shift()?.(); // its turn is over already
    }
    if (!(reading instanceof Promise)) return reading;
    this.#reads++;
    return reading.finally(() => {
      this.#reads--;
      this.#readers?.shift()?.();
    });
  }

  #mustHaveReplayed(): void {
    const unsent = this.#all().reduce(
      (sum, { subscription }) => sum + subscription.replayLength,
      0,
    );
    if (unsent <= maxReplayed) return;
    const hint = "first read the replayed events of other subscriptions, then retry";
    throw new RpcFault(errorOf("overloaded", { retryAfter: 1, hint }));
  }

  /** Returns a copy, since subscriptions may end during the iteration. */
  #all(): readonly Kept[] {
    return this.#kept === undefined || this.#kept.size === 0 ? [] : [...this.#kept.values()];
  }
}
