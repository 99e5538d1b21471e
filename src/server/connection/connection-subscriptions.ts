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

const maxReads = 4; // of histories at the same time
const maxReplayed = 8_388_608; // 8 Mi characters of events that were read and not sent yet

type SessionState = "open" | "active" | "expired" | "closed";

/** What the subscriptions ask of their connection. */
export interface SubscriptionsHost {
  readonly state: SessionState;
  /** Is more than the soft limit waiting to be sent? */
  isHigh(): boolean;
}

/** A subscription, and what must be known of it while it lasts. */
export interface Kept {
  readonly subscription: Subscription;
  /** May it go on? Asked at every refresh. */
  readonly isAllowed: (auth: Auth) => boolean;
  /** The answer to its call. */
  readonly opened: SubscribeResult | Promise<SubscribeResult>;
  /** How many calls were answered with it, or will be. */
  calls: number;
}

export class ConnectionSubscriptions implements SubscriberPort {
  readonly #host: SubscriptionsHost;
  readonly #outbox: Outbox;
  readonly #pushGate: PushGate;
  readonly #slowReaders: SlowReaderCounts;
  #kept: Map<string, Kept> | undefined; // most connections never have one
  #lastId = 0;
  /** How many histories are being read, and who waits for one of them to be read. */
  #reads = 0;
  #readers: (() => void)[] | undefined;
  #calls: FixedWindowCounter | undefined;

  constructor(host: SubscriptionsHost, outbox: Outbox, { pushes, slowReaders }: Telemetry) {
    this.#host = host;
    this.#outbox = outbox;
    this.#pushGate = new PushGate(outbox, pushes);
    this.#slowReaders = slowReaders;
  }

  /** How many subscriptions there are. */
  get size(): number {
    return this.#kept?.size ?? 0;
  }

  get(id: string): Kept | undefined {
    return this.#kept?.get(id);
  }

  /**
   * Throws {@link RpcFault} when there are as many subscriptions as there may be, and tells so.
   */
  mustHaveRoom(most: number, onFull: () => void): void {
    if (this.size < most) return;
    onFull();
    const hint = `at most ${most} subscriptions; unsubscribe first`;
    // waiting alone makes no room
    throw new RpcFault(errorOf("overloaded", { temporary: false, action: "stop", hint }));
  }

  /**
   * Counts a call of a subscription. Throws {@link RpcFault} when there are too many in this
   * second, and tells so.
   */
  countCall(now: number, most: number, onExcess: () => void): void {
    this.#calls ??= new FixedWindowCounter();
    if (this.#calls.at(now) >= most) {
      onExcess();
      throw new RpcFault(
        errorOf("rate_limited", {
          retryAfter: 1,
          hint: `at most ${most} calls of subscriptions in a second`,
        }),
      );
    }
    this.#calls.add(now);
  }

  /**
   * Reads a history when few others are being read, so that not much is kept of what the peer may
   * never read. Throws {@link RpcFault}, or rejects with it, when much of what was read before is
   * still to be sent.
   */
  readHistory<T>(read: () => T | Promise<T>): T | Promise<T> {
    if (this.#reads < maxReads) return this.#read(read);
    return new Promise<void>((resolve) => {
      this.#readers ??= [];
      this.#readers.push(resolve);
    }).then(() => this.#read(read));
  }

  /** Remembers a subscription until it has ended. */
  keep(kept: Kept): void {
    this.#kept ??= new Map();
    this.#kept.set(kept.subscription.id, kept);
  }

  /** An id that no subscription here has. */
  newId(): string {
    do this.#lastId++;
    while (this.#kept?.has(String(this.#lastId)));
    return String(this.#lastId);
  }

  /** False: there is no such subscription. Nothing of it is sent any more. */
  unsubscribe(id: string): boolean {
    const kept = this.#kept?.get(id);
    if (kept === undefined) return false;
    kept.subscription.stop();
    this.#pushGate.forget(id);
    return true;
  }

  // What subscriptions ask.

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

  // What the connection tells.

  /** The session has expired: what was not written yet is held. */
  hold(): void {
    this.#pushGate.hold();
  }

  /** The token has changed: what it no longer allows ends, before anything of it is sent. */
  review(auth: Auth): void {
    for (const { subscription, isAllowed } of this.#all())
      if (!isAllowed(auth)) subscription.end("forbidden");
  }

  /**
   * A refresh was applied: `answer` sends its result, before what was held. It is told whether
   * something was lost.
   */
  release(answer: (gap: boolean) => void): void {
    const { pushes, gap, lossy } = this.#pushGate.release();
    answer(gap);
    for (const push of pushes) this.#outbox.add(push);
    for (const id of lossy) this.#kept?.get(id)?.subscription.missed();
    this.resume();
  }

  /** There is room again, or a session. */
  resume(): void {
    for (const { subscription } of this.#all()) subscription.resume();
  }

  /** The user is gone, the connection stays: nothing of the one reaches the next. */
  logout(): void {
    this.#pushGate.drop();
    for (const { subscription } of this.#all()) subscription.end("logout");
  }

  /** The connection is closed, or about to be. */
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
          hint: "read the events that other subscriptions have missed first",
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

  /** A copy: subscriptions end while somebody goes through them. */
  #all(): readonly Kept[] {
    return this.#kept === undefined || this.#kept.size === 0 ? [] : [...this.#kept.values()];
  }
}
