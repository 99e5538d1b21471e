import type { ErrorData } from "../../src/protocol/error-codes.js";
import {
  type EndReason,
  type SubscribeResult,
  type SubscriptionNotifications,
  sinceMember,
} from "../../src/protocol/messages.js";
import { adopt, type CallManager } from "../calls/call-manager.js";
import { readOptions } from "../calls/call-options.js";
import type { Call } from "../calls/pending-calls.js";
import type { Connection } from "../connection/connection.js";
import { DisconnectedError, JotwireError, RpcError, SubscriptionEndedError } from "../errors.js";
import type { ClientSettings } from "../options.js";
import { delayOf } from "../transport/backoff.js";
import { type Answered, cancelFrame } from "../transport/frame.js";
import { createEventQueue, done, type EventQueue } from "./event-queue.js";
import type { SubscribeOptions, SubscriptionIterator } from "./subscription.js";

/** One consumer's subscription, over all connections. */
interface Feed {
  readonly name: string;
  readonly params: unknown;
  readonly inbox: EventQueue;
  /** Whose it is; `null` while nobody has signed in yet. */
  owner: string | null;
  /**
   * The server's name for it, while it is subscribed; otherwise `NaN`, which equals nothing that a
   * server may say.
   */
  id: unknown;
  /** Its subscribe call. */
  asked?: Call | undefined;
  /** The history of its topic, and the place in it of the event that came last. */
  epoch?: string | undefined;
  offset: number;
  /** It was subscribed before, so that something may have been missed. */
  isResumed?: boolean;
  tries: number;
  cancelTimer?: () => void;
  release(): void;
}

type SubscriptionEvent = Partial<SubscriptionNotifications["subscription.event"]>;

// tries, some 20 s: who has never got through, without advice when to come back, may not be meant
// to (there is a limit of subscriptions)
const maxAttempts = 5;

/**
 * ```
 *   waiting ──────────► asking ──────────► live ──► over: break, signal, ended, closed
 *      ▲      ready        │     answer      │
 *      └───────────────────┴─────────────────┘  lost, slow, a temporary refusal
 * ```
 */
export class Subscriptions {
  readonly #settings: ClientSettings;
  readonly #connection: Connection;
  readonly #caller: CallManager;
  readonly #tellGap: (name: string, params: unknown) => void;
  readonly #feeds = new Set<Feed>();
  readonly #asking = new Set<Feed>();
  // ids of this connection's subscriptions: two consumers of a topic have the same one
  readonly #live = new Set<unknown>();
  #unsubscribed: Call | undefined; // the last call of `unsubscribe`

  constructor(
    settings: ClientSettings,
    connection: Connection,
    caller: CallManager,
    tellGap: (name: string, params: unknown) => void,
  ) {
    this.#settings = settings;
    this.#connection = connection;
    this.#caller = caller;
    this.#tellGap = tellGap;
  }

  /** `first`: a call of it that was made already, and its `answer`, if that has come. */
  readonly open = (
    name: string,
    params?: unknown,
    options: SubscribeOptions = {},
    first?: Call,
    answer?: unknown,
  ): SubscriptionIterator<unknown> => {
    const { signal, gaps, buffer } = readOptions(options);
    const abort = () =>
      this.#finish(feed, new JotwireError("aborted", undefined, signal?.reason), true);
    const feed: Feed = {
      name,
      // as it is at the call, also for the next connection
      params: JSON.parse(first ? `{${first.body}` : JSON.stringify({ params })).params,
      inbox: createEventQueue(buffer, gaps, () => this.#tellGap(name, feed.params)),
      owner: first ? first.owner : this.#connection.renewal.owner(),
      id: Number.NaN,
      offset: 0,
      tries: 0,
      release: () => signal?.removeEventListener("abort", abort),
    };
    this.#feeds.add(feed);
    try {
      signal?.addEventListener("abort", abort);
      if (signal?.aborted) abort();
      this.#connection.ensureConnecting(); // it may be the end of the client
      if (first?.phase === "sent") {
        feed.asked = adopt(first, this.#answerOf(feed));
        this.#asking.add(feed);
      } else {
        // subscriptions go before calls
        if (first?.phase === "queued") this.#caller.forget(first);
        else if (first?.failure instanceof RpcError) this.#refuse(feed, first.failure);
        else if (first?.failure)
          feed.isResumed = true; // the server may have begun it
        else if (first) {
          this.#attach(feed, answer);
          // that may have ended this one, too: both may be of one topic
          if ((this.#unsubscribed?.id as number) > first.id) feed.id = Number.NaN;
        }
        this.#ask(feed);
      }
    } catch (error) {
      this.#finish(feed, error as Error);
    }
    const end = async () => this.#finish(feed, undefined, true);
    const iterator: SubscriptionIterator<unknown> = {
      next: feed.inbox.next,
      async return() {
        await end();
        return done;
      },
      async throw(error) {
        await end();
        throw error;
      },
      [Symbol.asyncIterator]: () => iterator,
      [Symbol.asyncDispose]: end,
    };
    return iterator;
  };

  /** Takes a notification of the server. */
  event(params: unknown): void {
    const event = Object(params) as SubscriptionEvent;
    for (const feed of this.#feeds) if (feed.id === event.subscription) this.#deliver(feed, event);
  }

  /** Takes the end of a subscription on the server. */
  ended(params: unknown): void {
    const { subscription, reason, code } = Object(params) as Partial<
      SubscriptionNotifications["subscription.ended"]
    >;
    this.#live.delete(subscription);
    for (const feed of this.#feeds) {
      if (feed.id !== subscription) continue;
      feed.id = Number.NaN;
      if (reason === "slow") this.#later(feed);
      else if (reason === "completed") this.#finish(feed);
      else
        this.#finish(
          feed,
          new SubscriptionEndedError(
            /^(forbidden|logout)$/.test(String(reason)) ? (reason as EndReason) : "error",
            code,
          ),
        );
    }
  }

  /** The connection is ready: what waits for one is subscribed. */
  ready(): void {
    for (const feed of this.#feeds) this.#ask(feed);
    this.#sweep();
  }

  /** Some of what was held while the session was expired is lost. */
  gap(): void {
    for (const feed of this.#feeds) if (this.#live.has(feed.id)) feed.inbox.lose();
  }

  /**
   * The connection is gone. `isOver`: there won't be another one, and all of them end, with `error`
   * if that is given.
   */
  lost(isOver: boolean, error?: Error): void {
    this.#live.clear();
    for (const feed of this.#feeds) {
      feed.id = Number.NaN;
      if (isOver) this.#finish(feed, error);
    }
  }

  #ask(feed: Feed): void {
    feed.cancelTimer?.();
    if (!this.#feeds.has(feed) || !this.#connection.isReady()) return;
    const owner = this.#connection.renewal.owner();
    feed.owner ??= owner;
    if (feed.owner !== owner) return this.#finish(feed, new JotwireError("subject_changed"), true);
    if (this.#live.has(feed.id) || this.#asking.has(feed)) return;
    const { name, params, epoch, offset } = feed;
    this.#asking.add(feed);
    const since = epoch &&
      !Array.isArray(params) && { ...(params as object), [sinceMember]: { epoch, offset } };
    feed.asked = this.#caller.sendNow(name, since || params, this.#answerOf(feed));
  }

  #answerOf(feed: Feed): Answered {
    return (error, result) => {
      this.#asking.delete(feed);
      if (error) this.#refuse(feed, error as Error);
      else this.#attach(feed, result);
      this.#sweep();
    };
  }

  #attach(feed: Feed, result: unknown): void {
    const { subscription, epoch, offset, recovered } = Object(result) as Partial<SubscribeResult>;
    if (typeof subscription !== "string")
      return this.#finish(feed, new JotwireError("no_subscription"));
    this.#live.add(subscription);
    // it ended meanwhile: with nobody else there, #sweep unsubscribes
    if (!this.#feeds.has(feed)) return;
    feed.id = subscription;
    const place = Number.isSafeInteger(offset) ? epoch : undefined;
    if (
      !(recovered === true && place && place === feed.epoch && (offset as number) >= feed.offset)
    ) {
      feed.epoch = place;
      feed.offset = offset as number;
      if (feed.isResumed) feed.inbox.lose();
    }
    feed.isResumed = true;
  }

  #refuse(feed: Feed, failure: Error): void {
    // the next connection takes it
    if (!this.#feeds.has(feed) || failure instanceof DisconnectedError) return;
    const { temporary, retryAfter } = Object(
      (failure as { data?: unknown }).data,
    ) as Partial<ErrorData>;
    if (temporary === true && (feed.isResumed || retryAfter || feed.tries < maxAttempts))
      this.#later(feed, retryAfter);
    else this.#finish(feed, failure);
  }

  #later(feed: Feed, retryAfter?: unknown): void {
    feed.cancelTimer = this.#settings.clock.after(
      delayOf(++feed.tries, this.#settings, retryAfter),
      () => this.#ask(feed),
    );
  }

  /**
   * Unsubscribes what nobody listens to; not while a call is on its way whose answer may be one of
   * these ids.
   */
  #sweep(): void {
    if (this.#asking.size > 0 || !this.#connection.isReady()) return;
    for (const subscription of this.#live) {
      if ([...this.#feeds].some(({ id }) => id === subscription)) continue;
      this.#live.delete(subscription);
      this.#unsubscribed = this.#caller.sendNow("unsubscribe", { subscription }, (error) => {
        if (error && (error as JotwireError).sent === "no") this.#live.add(subscription);
      });
    }
  }

  #finish(feed: Feed, error?: Error, isNow?: boolean): void {
    feed.inbox.end(error, isNow);
    if (!this.#feeds.delete(feed)) return;
    feed.cancelTimer?.();
    feed.release();
    const { asked: call } = feed;
    if (call?.phase === "queued") {
      this.#caller.forget(call);
      this.#asking.delete(feed);
    }
    // not where it came back: by its place in a topic's history it may have taken the place of
    // another consumer's subscription, which would end too
    else if (call?.phase === "sent" && !feed.isResumed) this.#connection.send(cancelFrame(call.id));
    this.#sweep();
  }

  #deliver(feed: Feed, { offset, gap, data, epoch }: SubscriptionEvent): void {
    const isLoss = gap === true;
    if (feed.epoch && Number.isSafeInteger(offset)) {
      const place = offset as number;
      if (isLoss && epoch && epoch !== feed.epoch) {
        feed.epoch = epoch; // the server's store has lost its memory: offsets are counted anew
        feed.offset = 0;
      } else if (place <= feed.offset) return; // it came before
      feed.offset = place;
    }
    if (isLoss) feed.inbox.lose();
    feed.tries = 0;
    feed.inbox.put(data);
  }
}
