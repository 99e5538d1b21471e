import type { gap } from "./event-queue.js";

export interface SubscribeOptions<Gaps extends boolean = boolean> {
  /** Aborting it unsubscribes; the iteration throws an `aborted` error. */
  readonly signal?: AbortSignal | undefined;
  /**
   * `true`: the constant `gap` is among the events, where some were lost. Default `false`: the
   * client's event `gap` tells it.
   */
  readonly gaps?: Gaps | undefined;
  /**
   * Events that wait for the consumer; when there are more, the oldest are lost, which is told as a
   * gap. Default 1024.
   */
  readonly buffer?: number | undefined;
}

/**
 * The events of a subscription: each once and in order, or a gap told. It lives over reconnects by
 * itself. `break`, `return()`, the signal and `await using` end it; so does the client's `close()`,
 * after the events that wait. Iterating throws a `SubscriptionEndedError` when the server ends it for
 * another reason than that it is complete, the `CallError` with which it was refused, a
 * `subject_changed` error when another user has signed in, and a `DisconnectedError` when the
 * client is closed for another reason than its own `close()`.
 */
export interface Subscription<Event> extends AsyncIterable<Event, undefined>, AsyncDisposable {
  [Symbol.asyncIterator](): SubscriptionIterator<Event>;
}

/** All iterators of one subscription share its events. */
export interface SubscriptionIterator<Event>
  extends AsyncIterableIterator<Event, undefined>,
    AsyncDisposable {
  return(): Promise<IteratorResult<Event, undefined>>;
  /** Ends the subscription as `return()` does, and rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<Event, undefined>>;
  [Symbol.asyncIterator](): SubscriptionIterator<Event>;
}

/** What a consumer that set `gaps` gets. */
export type WithGaps<Event, Gaps> = Event | (Gaps extends true ? typeof gap : never);
