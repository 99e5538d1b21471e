import { snapshotMember } from "../../src/protocol/messages.js";
import type { Client } from "../client.js";
import { DisconnectedError, JotwireError, RpcError } from "../errors.js";
import type { ClientSettings } from "../options.js";
import { delayOf } from "../transport/backoff.js";
import { pause } from "../transport/pause.js";
import { withDefaults } from "../with-defaults.js";
import { done, gap } from "./event-queue.js";
import type { SubscribeOptions, Subscription, SubscriptionIterator } from "./subscription.js";

/** The options of `client.live`. */
export type LiveOptions = Pick<SubscribeOptions, "signal" | "buffer">;

/** What `client.live` gives: the state, and what has changed it. */
export type LiveStep<State, Event> =
  | {
      /** The state with the event applied. */
      readonly state: State;
      /** The event. */
      readonly event: Event;
      /** The state goes on from that of before. */
      readonly reset: false;
    }
  | {
      /** The server's snapshot. */
      readonly state: State;
      /** A snapshot is no event. */
      readonly event: undefined;
      /** The state is another one: at first, and after events were lost. */
      readonly reset: true;
    };

type Step = LiveStep<unknown, unknown>;
type Settings = Pick<ClientSettings, "clock" | "backoff" | "random">;

export type Live = (
  name: string,
  params: unknown,
  reduce: (state: unknown, event: unknown) => unknown,
  options?: LiveOptions,
) => SubscriptionIterator<Step>;

/**
 * Joins snapshots and events. The subscription asks for no snapshots; a call beside it asks for one
 * at first, and where its events have a gap. The server holds the subscription's events while it
 * makes one, so that none is missed in between. Events that the queue has by then may be contained
 * in it: applying them again is harmless by contract. A snapshot counts only once the subscription
 * stands: of one that was refused for the moment no event came.
 */
export function createLive(client: Client, settings: Settings): Live {
  return (name, params, reduce, options = {}) => {
    if (Array.isArray(params)) throw new TypeError("live() needs params by name");
    const { signal, buffer } = withDefaults(options, {
      signal: undefined as AbortSignal | undefined,
      buffer: 1_024,
    } satisfies Record<keyof LiveOptions, unknown>);
    const {
      subscribed,
      snapshot,
      signal: over,
      stop,
    } = follow(client, settings, name, params, {
      signal,
      buffer,
    });
    let events: SubscriptionIterator<unknown> | undefined;
    let isReturned = false;
    let state: unknown;
    let last: Promise<unknown> = Promise.resolve();
    // behind the subscription's call, without waiting for its answer
    let early: Promise<unknown> | undefined = snapshot();
    early.catch(() => {}); // the first reader gets it

    const renew = async (): Promise<IteratorResult<Step, undefined>> => {
      const fresh = early ?? snapshot();
      early = undefined;
      try {
        throwIfAborted(over);
        [state, events] = await Promise.all([fresh, subscribed]);
      } catch (error) {
        if (isReturned || isOwnClose(error)) return done;
        // given up with the subscription, which says why
        if (events && !over.aborted && isOfSubscription(error)) return endOf(events);
        throw error;
      }
      return { done: false, value: { state, event: undefined, reset: true } };
    };

    const take = async (): Promise<IteratorResult<Step, undefined>> => {
      if (isReturned) return done;
      try {
        if (early || !events) return await renew();
        const item = await events.next();
        if (item.done) return done;
        if (item.value === gap) return await renew();
        state = reduce(state, item.value);
        return { done: false, value: { state, event: item.value, reset: false } };
      } catch (error) {
        await end();
        throw error;
      }
    };

    const end = async () => {
      isReturned = true;
      await events?.return();
      stop();
    };

    const iterator: SubscriptionIterator<Step> = {
      next() {
        const result = last.then(take);
        last = result.catch(() => {});
        return result;
      },
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
}

/** Subscribes, and makes the calls for snapshots, until `stop` is called or the signal aborts. */
function follow(
  client: Client,
  settings: Settings,
  name: string,
  params: unknown,
  { signal, buffer }: { readonly signal: AbortSignal | undefined; readonly buffer: number },
) {
  const over = new AbortController();
  const following = new AbortController();
  let events: SubscriptionIterator<unknown> | undefined;
  const stop = (reason?: unknown) => {
    if (over.signal.aborted) return;
    over.abort(reason);
    // an answer that is on its way is waited for: the server has begun a subscription
    if (events || client.state !== "ready") following.abort(reason);
  };
  const abort = () => stop(signal?.reason);
  signal?.addEventListener("abort", abort, { signal: over.signal });
  if (signal?.aborted) abort();
  const paramsWith = (isAsked: boolean) => ({ ...(params as object), [snapshotMember]: isAsked });
  const forEver = { timeout: Number.POSITIVE_INFINITY, idempotent: true };

  const subscribe = async () => {
    throwIfAborted(over.signal);
    const options = { ...forEver, signal: following.signal, gaps: true, buffer };
    const subscription = await functionOf(client, name)(paramsWith(false), options);
    if (!isSubscription(subscription)) throw new JotwireError("no_subscription");
    events = subscription[Symbol.asyncIterator]();
    if (over.signal.aborted) await events.return();
    return events;
  };
  const subscribed = repeated(subscribe, settings, over.signal);
  subscribed.catch(() => {}); // the first reader gets it

  const ask = async (): Promise<unknown> => {
    const options = { ...forEver, signal: over.signal };
    const answer = await client.call(name, paramsWith(true), options);
    if (events) return answer;
    await subscribed;
    return ask();
  };
  const snapshot = async () => snapshotOf(name, await repeated(ask, settings, over.signal));
  return { subscribed, snapshot, signal: over.signal, stop };
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new JotwireError("aborted", undefined, signal.reason);
}

/** The function of `api` that has this name. */
function functionOf(client: Client, name: string) {
  type Node = CallableFunction & { readonly [name: string]: Node };
  const node = name
    .split(".")
    .reduce((api, part) => api[part] as Node, client.api as unknown as Node);
  return node as unknown as (params: unknown, options: object) => Promise<unknown>;
}

function isSubscription(value: unknown): value is Subscription<unknown> {
  return typeof Object(value)[Symbol.asyncIterator] === "function";
}

/** Makes the call, again after a back-off as long as it fails for the time being. */
async function repeated<Answer>(
  ask: () => Promise<Answer>,
  settings: Settings,
  signal: AbortSignal,
  tries = 1,
): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    if (!isTemporary(error)) throw error;
    const { retryAfter } = Object((error as Partial<RpcError>).data);
    await pause(settings.clock, delayOf(tries, settings, retryAfter), signal);
    return repeated(ask, settings, signal, tries + 1);
  }
}

/** Passes over the events that wait, up to the end, which may be an error. */
async function endOf(events: AsyncIterator<unknown, undefined>): Promise<typeof done> {
  while (!(await events.next()).done);
  return done;
}

function snapshotOf(name: string, answer: unknown): unknown {
  if (Object.hasOwn(Object(answer), "snapshot")) return Object(answer).snapshot;
  throw new JotwireError(
    "no_snapshot",
    `${name} answers without a snapshot; give its topic the option "snapshot"`,
  );
}

/** Whether the call for a snapshot may be made again. */
function isTemporary(error: unknown): boolean {
  if (error instanceof RpcError) return Object(error.data).temporary === true;
  return error instanceof JotwireError && error.code === "queue_full";
}

/** Whether a call fails with that only when the subscription beside it has ended as well. */
function isOfSubscription(error: unknown): boolean {
  return (
    error instanceof DisconnectedError ||
    (error instanceof JotwireError && /^(aborted|subject_changed)$/.test(error.code))
  );
}

/** The application has closed the client itself, which ends what it iterates without an error. */
function isOwnClose(error: unknown): boolean {
  return error instanceof DisconnectedError && error.reason === "bye";
}
