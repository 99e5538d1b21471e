/**
 * What is sent unasked on one connection: declared notifications, and the events of its
 * subscriptions.
 */
import { errorOf } from "../../protocol/error-codes.js";
import type { SubscribeResult } from "../../protocol/messages.js";
import type { Outbox } from "../../pubsub/outbox.js";
import type { Push } from "../../pubsub/push.js";
import { PushGate, type SlowReaderCounts } from "../../pubsub/push-gate.js";
import type { SubscriberPort, Subscription } from "../../pubsub/subscription.js";
import type { Auth } from "../../rpc/define/access.js";
import { RpcFault } from "../../rpc/dispatch/call.js";
import { FixedWindowCounter } from "../admission/accept-limits.js";
import type { Telemetry } from "../telemetry/telemetry.js";

const maxReads = 4; // concurrent reads of histories
const maxReplayed = 8_388_608; // 8 Mi characters of replayed events that wait to be sent

type SessionState = "open" | "active" | "expired" | "closed";

/** The connection, as its subscriptions see it. */
export interface SubscriptionsHost {
  readonly state: SessionState;
  /** Returns whether the send buffer exceeds its soft limit. */
  isHigh(): boolean;
}

/** A subscription with its bookkeeping. */
export interface Kept {
  readonly subscription: Subscription;
  /** Returns whether a new token still allows the subscription; called at every refresh. */
  readonly isAllowed: (auth: Auth) => boolean;
  /** The result of the call that opened the subscription. */
  readonly opened: SubscribeResult | Promise<SubscribeResult>;
  /** Number of calls that were or will be answered with this subscription. */
  calls: number;
}

export class ConnectionSubscriptions implements SubscriberPort {
  readonly #host: SubscriptionsHost;
  readonly #outbox: Outbox;
  readonly #pushGate: PushGate;
  readonly #slowReaders: SlowReaderCounts;
  #kept: Map<string, Kept> | undefined; // lazy, since most connections have no subscription
  #lastId = 0;
  /** Number of histories being read, and the reads that wait for their turn. */
  #reads = 0;
  #readers: (() => void)[] | undefined;
  #calls: FixedWindowCounter | undefined;

  constructor(host: SubscriptionsHost, outbox: Outbox, { pushes, slowReaders }: Telemetry) {
    this.#host = host;
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

  /** Registers a subscription until it ends. */
  keep(kept: Kept): void {
    this.#kept ??= new Map();
    this.#kept.set(kept.subscription.id, kept);
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

  isHigh(): boolean {
    return this.#host.isHigh();
  }

  isLive(): boolean {
    return this.#host.state === "active";
  }

  tooSlow(outcome: "gap" | "ended"): void {
    this.#slowReaders[outcome]++;
  }

  ended(subscription: Subscription): void {
    if (this.#kept?.get(subscription.id)?.subscription === subscription)
      this.#kept.delete(subscription.id);
  }

  // Called by the connection.

  /** Holds unwritten pushes, since the session has expired. */
  hold(): void {
    this.#pushGate.hold();
  }

  /**
   * Ends the subscriptions that a new token no longer allows, before any of their events is sent.
   */
  review(auth: Auth): void {
    for (const { subscription, isAllowed } of this.#all())
      if (!isAllowed(auth)) subscription.end("forbidden");
  }

  /**
   * Releases the held pushes after a refresh. Calls `answer` first, with whether pushes were lost,
   * to send the result of the refresh.
   */
  release(answer: (gap: boolean) => void): void {
    const { pushes, gap, lossy } = this.#pushGate.release();
    answer(gap);
    for (const push of pushes) this.#outbox.add(push);
    for (const id of lossy) this.#kept?.get(id)?.subscription.missed();
    this.resume();
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
    for (const { subscription } of this.#all()) subscription.stop();
  }

  #read<T>(read: () => T | Promise<T>): T | Promise<T> {
    const unsent = this.#all().reduce(
      (sum, { subscription }) => sum + subscription.replayLength,
      0,
    );
    if (unsent > maxReplayed) {
      this.#readers?.shift()?.();
      throw new RpcFault(
        errorOf("overloaded", {
          retryAfter: 1,
          hint: "first read the replayed events of other subscriptions, then retry",
        }),
      );
    }
    const reading = read();
    if (!(reading instanceof Promise)) return reading;
    this.#reads++;
    return reading.finally(() => {
      this.#reads--;
      this.#readers?.shift()?.();
    });
  }

  /** Returns a copy, since subscriptions may end during the iteration. */
  #all(): readonly Kept[] {
    return this.#kept === undefined || this.#kept.size === 0 ? [] : [...this.#kept.values()];
  }
}
