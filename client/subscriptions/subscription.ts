import type { gap } from "./event-queue.js";

/** The options of a subscription. */
export interface SubscribeOptions<Gaps extends boolean = boolean> {
  /** Aborting this signal unsubscribes; the iteration throws an `aborted` error. */
  readonly signal?: AbortSignal | undefined;
  /**
   * `true`: the constant `gap` is among the events, where some were lost. `false`: the client's
   * event `gap` tells it.
   *
   * @default false
   */
  readonly gaps?: Gaps | undefined;
  /**
   * Events that wait for the consumer; when there are more, the oldest are dropped, and the
   * consumer learns of a gap.
   *
   * @default 1024 events
   */
  readonly buffer?: number | undefined;
}

/**
 * The events of a subscription, each once and in order, and a gap where some were lost. A
 * subscription keeps its events from the call on and outlives lost connections. `break`,
 * `return()`, the signal and `await using` end it; so does the client's `close()`, after the events
 * that wait. Iterating throws a `SubscriptionEndedError` if the server ends the subscription before
 * it is complete, a `CallError` if the server refuses it, a `subject_changed` error if another user
 * has signed in, and a `DisconnectedError` if the client is closed by something else than its
 * `close()`.
 */
export interface Subscription<Event> extends AsyncIterable<Event, undefined>, AsyncDisposable {
  /** Gives the iterator, the same each time. */
  [Symbol.asyncIterator](): SubscriptionIterator<Event>;
}

/** All iterators of one subscription share its events. */
export interface SubscriptionIterator<Event>
  extends AsyncIterableIterator<Event, undefined>,
    AsyncDisposable {
  /** Ends the subscription. */
  return(): Promise<IteratorResult<Event, undefined>>;
  /** Ends the subscription as `return()` does, and rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<Event, undefined>>;
  /** Gives this iterator. */
  [Symbol.asyncIterator](): SubscriptionIterator<Event>;
}

/** The events, with `gap` among them for a consumer that set `gaps`. */
export type WithGaps<Event, Gaps> = Event | (Gaps extends true ? typeof gap : never);
