import type { ErrorData } from "../src/protocol/error-codes.js";
import { type EndReason, endReasons, type SubscribeResult, type SubscriptionNotifications, sinceMember } from "../src/protocol/messages.js";
import { backoff } from "./backoff.js";
import { secondsOf } from "./closing.js";
import type { AnswerHandlers } from "./control-requests.js";
import { DisconnectedError, errorFrom, JotwireError, SubscriptionEnded } from "./errors.js";
import { createEventQueue, type EventQueue } from "./event-queue.js";
import { cancelFrame } from "./frame.js";
import type { ClientSettings } from "./options.js";
import type { SubscribeOptions, Subscription, SubscriptionIterator } from "./subscription.js";

/** What subscriptions need of the connection. */
export interface SubscriptionPort {
  isReady(): boolean;
  send(frame: string): boolean;
  /** Sends a request whose answer is lost with the connection, and gives its id. */
  request(method: string, params: unknown, limit: number, handlers: AnswerHandlers): string;
  subject(): string | null;
  ensureConnecting(): void;
  mayRepeat(action: unknown, refusal: unknown): boolean;
}

/** A subscribe call that was made already. It gives its answer to `handlers`, and its id; `undefined`: no answer is on its way. */
export type FirstCall = (handlers: AnswerHandlers) => number | undefined;

export interface Subscriptions {
  open(name: string, params?: unknown, options?: SubscribeOptions, first?: FirstCall): Subscription<unknown>;
  /** Takes a notification of the server. */
  event(params: unknown): void;
  ended(params: unknown): void;
  /** The connection is ready: what waits for one is subscribed. */
  ready(): void;
  /** Some of what was held while the session was expired is lost. */
  gap(): void;
  lost(): void;
  close(reason: string, code: number, cause: unknown): void;
}

/** One consumer's subscription, over all connections. */
interface Feed {
  readonly name: string;
  readonly params: unknown;
  readonly queue: EventQueue;
  /** Whose it is; `null` while nobody has signed in yet. */
  subject: string | null;
  /** The server's name for it, while it is subscribed. */
  id?: string | undefined;
  /** The id of its subscribe call. */
  call?: string | number | undefined;
  /** The history of its topic, and the place in it of the event that came last. */
  epoch?: string | undefined;
  offset: number;
  /** It was subscribed before, so that something may have been missed. */
  isResumed: boolean;
  /** Refused once because of the session: not again. */
  isRepeat: boolean;
  tries: number;
  cancelTimer(): void;
  release(): void;
}

const answerLimit = 60_000; // 60 s: a server has a deadline of its own for every request; one that is later is as good as lost
const patience = 5; // tries, some 20 s: who has never got through, without advice when to come back, may not be meant to (there is a limit of subscriptions)
const ignored = () => {};

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
  tellGap: (name: string, params: unknown) => void,
): Subscriptions {
  const { clock } = settings;
  const feeds = new Set<Feed>();
  const asking = new Set<Feed>();
  const live = new Map<string, Set<Feed>>(); // of this connection, by the server's id: two consumers of a topic have the same one

  const ask = (feed: Feed) => {
    feed.cancelTimer();
    if (!feeds.has(feed) || feed.id !== undefined || asking.has(feed) || !port.isReady()) return;
    const subject = port.subject();
    feed.subject ??= subject;
    if (feed.subject !== subject) return finish(feed, new JotwireError("subject_changed", "The subscription was another user's"), true);
    const { name, params, epoch, offset } = feed;
    asking.add(feed);
    const since = epoch !== undefined && !Array.isArray(params) && { ...(params as object), [sinceMember]: { epoch, offset } };
    feed.call = port.request(name, since || params, answerLimit, answersOf(feed, !!since));
  };

  const answersOf = (feed: Feed, hasSince: boolean): AnswerHandlers => ({
    result(result) {
      asking.delete(feed);
      attach(feed, result, hasSince);
      sweep();
    },
    error(error) {
      asking.delete(feed);
      refuse(feed, error instanceof Error ? error : errorFrom(error));
      sweep();
    },
  });

  const attach = (feed: Feed, result: unknown, hasSince: boolean) => {
    const { subscription, epoch, offset, recovered } = Object(result) as Partial<SubscribeResult>;
    if (typeof subscription !== "string") {
      return finish(feed, new JotwireError("no_subscription", `${feed.name} answered with a result that is no subscription`));
    }
    const consumers = live.get(subscription) ?? new Set();
    live.set(subscription, consumers);
    if (!feeds.has(feed)) return; // it ended meanwhile: with nobody else there, sweep unsubscribes
    consumers.add(feed);
    feed.id = subscription;
    feed.isRepeat = false;
    const isPlace = typeof epoch === "string" && Number.isSafeInteger(offset);
    if (!(hasSince && recovered === true && isPlace && epoch === feed.epoch && (offset as number) >= feed.offset)) {
      feed.epoch = isPlace ? epoch : undefined;
      feed.offset = isPlace ? (offset as number) : 0;
      if (feed.isResumed) feed.queue.lose();
    }
    feed.isResumed = true;
  };

  const refuse = (feed: Feed, failure: Error) => {
    if (!feeds.has(feed) || failure instanceof DisconnectedError) return; // the next connection takes it
    const { temporary, executed, action, retryAfter } = Object((failure as { data?: unknown }).data) as Partial<ErrorData>;
    if (executed === false && !feed.isRepeat && port.mayRepeat(action, failure)) {
      feed.isRepeat = true;
    } else if (temporary === true && (feed.isResumed || retryAfter || feed.tries < patience)) later(feed, retryAfter);
    else finish(feed, failure);
  };

  const later = (feed: Feed, retryAfter?: unknown) => {
    const delay = backoff(++feed.tries, settings.backoff, settings.random());
    feed.cancelTimer = clock.after(Math.max(delay, (secondsOf(retryAfter) ?? 0) * 1_000), () => ask(feed));
  };

  const unlink = (feed: Feed) => {
    if (feed.id !== undefined) live.get(feed.id)?.delete(feed);
    feed.id = undefined;
  };

  /** Unsubscribes what nobody listens to; not while a call is on its way whose answer may be one of these ids. */
  const sweep = () => {
    if (asking.size > 0 || !port.isReady()) return;
    for (const [subscription, { size }] of live) {
      if (size > 0) continue;
      live.delete(subscription);
      port.request("unsubscribe", { subscription }, answerLimit, {
        result: ignored,
        error(error) {
          if (Object(Object(error).data).executed === false && !live.has(subscription)) live.set(subscription, new Set());
        },
      });
    }
  };

  const finish = (feed: Feed, error?: Error, isNow?: boolean) => {
    feed.queue.end(error, isNow);
    if (!feeds.delete(feed)) return;
    feed.cancelTimer();
    feed.release();
    unlink(feed);
    // not where it came back: by its place in a topic's history it may have taken the place of another consumer's subscription, which would end too
    if (asking.has(feed) && !feed.isResumed) port.send(cancelFrame(feed.call));
    sweep();
  };

  /** What was on the connection is gone with it. */
  const forget = () => {
    asking.clear();
    live.clear();
    for (const feed of feeds) feed.id = undefined;
  };

  const deliver = (feed: Feed, { offset, gap, data, epoch }: Partial<SubscriptionNotifications["subscription.event"]>) => {
    const isPlaced = feed.epoch !== undefined && Number.isSafeInteger(offset);
    if (isPlaced && gap === true && typeof epoch === "string" && epoch !== feed.epoch) {
      feed.epoch = epoch; // the server's store has lost its memory: offsets are counted anew
      feed.offset = (offset as number) - 1;
    }
    const step = isPlaced ? (offset as number) - feed.offset : 1;
    if (step < 1) return; // it came before
    if (isPlaced) feed.offset = offset as number;
    if (gap === true || step > 1) feed.queue.lose();
    feed.tries = 0;
    feed.queue.put(data);
  };

  return {
    open(name, params, { signal, gaps, buffer = 1_024 } = {}, first) {
      const abort = () => finish(feed, new JotwireError("aborted", "The subscription was aborted", { cause: signal?.reason }), true);
      const feed: Feed = {
        name,
        params: params === undefined ? params : JSON.parse(JSON.stringify(params)), // as it is now, also for the next connection
        queue: createEventQueue(buffer, gaps === true, () => tellGap(name, feed.params)),
        subject: port.subject(),
        offset: 0,
        isResumed: false,
        isRepeat: false,
        tries: 0,
        cancelTimer: ignored,
        release: () => signal?.removeEventListener("abort", abort),
      };
      feeds.add(feed);
      try {
        port.ensureConnecting();
        if (signal?.aborted) abort();
        else signal?.addEventListener("abort", abort);
        feed.call = first?.(answersOf(feed, false));
        if (feed.call !== undefined) asking.add(feed);
        else {
          unlink(feed); // it was answered before anybody listened
          ask(feed);
        }
      } catch (error) {
        finish(feed, error as Error);
      }
      const iterator: SubscriptionIterator<unknown> = {
        next: feed.queue.next,
        async return() {
          finish(feed, undefined, true);
          return { done: true, value: undefined };
        },
        [Symbol.asyncIterator]: () => iterator,
        [Symbol.asyncDispose]: async () => finish(feed, undefined, true),
      };
      return iterator;
    },

    event(params) {
      const event = Object(params) as Partial<SubscriptionNotifications["subscription.event"]>;
      for (const feed of live.get(event.subscription as string) ?? []) deliver(feed, event);
    },

    ended(params) {
      const { subscription, reason, code } = Object(params) as Partial<SubscriptionNotifications["subscription.ended"]>;
      const consumers = live.get(subscription as string);
      live.delete(subscription as string);
      for (const feed of consumers ?? []) {
        feed.id = undefined;
        if (reason === "slow") later(feed);
        else finish(feed, reason === "completed" ? undefined : new SubscriptionEnded(known(reason), code));
      }
    },

    ready() {
      for (const feed of feeds) ask(feed);
      sweep();
    },

    gap() {
      for (const consumers of live.values()) for (const feed of consumers) feed.queue.lose();
    },

    lost: forget,

    close(reason, code, cause) {
      forget();
      for (const feed of feeds) finish(feed, new DisconnectedError("no", reason, code, cause));
    },
  };
}

function known(reason: unknown): EndReason {
  return endReasons.find((one) => one === reason) ?? "error";
}
