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
import type { Answered } from "../connection/control-requests.js";
import { DisconnectedError, JotwireError, RpcError, SubscriptionEndedError } from "../errors.js";
import type { ClientSettings } from "../options.js";
import { delayOf } from "../transport/backoff.js";
import { cancelFrame } from "../transport/frame.js";
import { createEventQueue, done, type EventQueue } from "./event-queue.js";
import type { SubscribeOptions, SubscriptionIterator } from "./subscription.js";

/** What subscriptions need of the connection. */
export interface SubscriptionPort {
  isReady(): boolean;
  send(frame: string): boolean;
  owner(): string | null;
  ensureConnecting(): void;
}

export interface Subscriptions {
  /** `first`: a call of it that was made already, and its `answer`, if that has come. */
  open(
    name: string,
    params?: unknown,
    options?: SubscribeOptions,
    first?: Call,
    answer?: unknown,
  ): SubscriptionIterator<unknown>;
  /** Takes a notification of the server. */
  event(params: unknown): void;
  ended(params: unknown): void;
  /** The connection is ready: what waits for one is subscribed. */
  ready(): void;
  /** Some of what was held while the session was expired is lost. */
  gap(): void;
  /**
   * The connection is gone. `isOver`: there won't be another one, and all of them end, with `error`
   * if that is given.
   */
  lost(isOver: boolean, error?: Error): void;
}

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
export function createSubscriptions(
  settings: ClientSettings,
  port: SubscriptionPort,
  caller: Pick<CallManager, "request" | "forget">,
  tellGap: (name: string, params: unknown) => void,
): Subscriptions {
  const { clock } = settings;
  const feeds = new Set<Feed>();
  const asking = new Set<Feed>();
  // ids of this connection's subscriptions: two consumers of a topic have the same one
  const live = new Set<unknown>();
  let unsubscribed: Call | undefined; // the last call of `unsubscribe`

  const ask = (feed: Feed) => {
    feed.cancelTimer?.();
    if (!feeds.has(feed) || !port.isReady()) return;
    feed.owner ??= port.owner();
    if (feed.owner !== port.owner()) return finish(feed, new JotwireError("subject_changed"), true);
    if (live.has(feed.id) || asking.has(feed)) return;
    const { name, params, epoch, offset } = feed;
    asking.add(feed);
    const since = epoch &&
      !Array.isArray(params) && { ...(params as object), [sinceMember]: { epoch, offset } };
    feed.asked = caller.request(name, since || params, answerOf(feed));
  };

  const answerOf =
    (feed: Feed): Answered =>
    (error, result) => {
      asking.delete(feed);
      if (error) refuse(feed, error as Error);
      else attach(feed, result);
      sweep();
    };

  const attach = (feed: Feed, result: unknown) => {
    const { subscription, epoch, offset, recovered } = Object(result) as Partial<SubscribeResult>;
    if (typeof subscription !== "string") return finish(feed, new JotwireError("no_subscription"));
    live.add(subscription);
    if (!feeds.has(feed)) return; // it ended meanwhile: with nobody else there, sweep unsubscribes
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
  };

  const refuse = (feed: Feed, failure: Error) => {
    // the next connection takes it
    if (!feeds.has(feed) || failure instanceof DisconnectedError) return;
    const { temporary, retryAfter } = Object(
      (failure as { data?: unknown }).data,
    ) as Partial<ErrorData>;
    if (temporary === true && (feed.isResumed || retryAfter || feed.tries < maxAttempts))
      later(feed, retryAfter);
    else finish(feed, failure);
  };

  const later = (feed: Feed, retryAfter?: unknown) => {
    feed.cancelTimer = clock.after(delayOf(++feed.tries, settings, retryAfter), () => ask(feed));
  };

  /**
   * Unsubscribes what nobody listens to; not while a call is on its way whose answer may be one of
   * these ids.
   */
  const sweep = () => {
    if (asking.size > 0 || !port.isReady()) return;
    for (const subscription of live) {
      if ([...feeds].some(({ id }) => id === subscription)) continue;
      live.delete(subscription);
      unsubscribed = caller.request("unsubscribe", { subscription }, (error) => {
        if (error && (error as JotwireError).sent === "no") live.add(subscription);
      });
    }
  };

  const finish = (feed: Feed, error?: Error, isNow?: boolean) => {
    feed.inbox.end(error, isNow);
    if (!feeds.delete(feed)) return;
    feed.cancelTimer?.();
    feed.release();
    const { asked: call } = feed;
    if (call?.phase === "queued") {
      caller.forget(call);
      asking.delete(feed);
    }
    // not where it came back: by its place in a topic's history it may have taken the place of
    // another consumer's subscription, which would end too
    else if (call?.phase === "sent" && !feed.isResumed) port.send(cancelFrame(call.id));
    sweep();
  };

  const deliver = (
    feed: Feed,
    { offset, gap, data, epoch }: Partial<SubscriptionNotifications["subscription.event"]>,
  ) => {
    let isLoss = gap === true;
    if (feed.epoch && Number.isSafeInteger(offset)) {
      const place = offset as number;
      if (isLoss && epoch && epoch !== feed.epoch) {
        feed.epoch = epoch; // the server's store has lost its memory: offsets are counted anew
        feed.offset = 0;
      } else if (place <= feed.offset) return; // it came before
      isLoss ||= place > feed.offset + 1;
      feed.offset = place;
    }
    if (isLoss) feed.inbox.lose();
    feed.tries = 0;
    feed.inbox.put(data);
  };

  return {
    open(name, params, options = {}, first, answer) {
      const { signal, gaps, buffer } = readOptions(options);
      const abort = () =>
        finish(feed, new JotwireError("aborted", undefined, signal?.reason), true);
      const feed: Feed = {
        name,
        // as it is at the call, also for the next connection
        params: JSON.parse(first ? `{${first.body}` : JSON.stringify({ params })).params,
        inbox: createEventQueue(buffer, gaps, () => tellGap(name, feed.params)),
        owner: first ? first.owner : port.owner(),
        id: Number.NaN,
        offset: 0,
        tries: 0,
        release: () => signal?.removeEventListener("abort", abort),
      };
      feeds.add(feed);
      try {
        if (signal?.aborted) abort();
        else signal?.addEventListener("abort", abort);
        port.ensureConnecting(); // it may be the end of the client
        if (first?.phase === "sent") {
          feed.asked = adopt(first, answerOf(feed));
          asking.add(feed);
        } else {
          // subscriptions go before calls
          if (first?.phase === "queued") caller.forget(first);
          else if (first?.failure instanceof RpcError) refuse(feed, first.failure);
          else if (first?.failure)
            feed.isResumed = true; // the server may have begun it
          else if (first) {
            attach(feed, answer);
            // that may have ended this one, too: both may be of one topic
            if ((unsubscribed?.id as number) > first.id) feed.id = Number.NaN;
          }
          ask(feed);
        }
      } catch (error) {
        finish(feed, error as Error);
      }
      const end = async () => finish(feed, undefined, true);
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
    },

    event(params) {
      const event = Object(params) as Partial<SubscriptionNotifications["subscription.event"]>;
      for (const feed of feeds) if (feed.id === event.subscription) deliver(feed, event);
    },

    ended(params) {
      const { subscription, reason, code } = Object(params) as Partial<
        SubscriptionNotifications["subscription.ended"]
      >;
      live.delete(subscription);
      for (const feed of feeds) {
        if (feed.id !== subscription) continue;
        feed.id = Number.NaN;
        if (reason === "slow") later(feed);
        else if (reason === "completed") finish(feed);
        else
          finish(
            feed,
            new SubscriptionEndedError(
              /^(forbidden|logout)$/.test(String(reason)) ? (reason as EndReason) : "error",
              code,
            ),
          );
      }
    },

    ready() {
      for (const feed of feeds) ask(feed);
      sweep();
    },

    gap() {
      for (const feed of feeds) if (live.has(feed.id)) feed.inbox.lose();
    },

    lost(isOver, error) {
      live.clear();
      for (const feed of feeds) {
        feed.id = Number.NaN;
        if (isOver) finish(feed, error);
      }
    },
  };
}
