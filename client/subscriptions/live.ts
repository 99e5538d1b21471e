import { snapshotMember } from "../../src/protocol/messages.js";
import type { Client } from "../client.js";
import { DisconnectedError, JotwireError, RpcError } from "../errors.js";
import type { ClientSettings } from "../options.js";
import { delayOf } from "../transport/backoff.js";
import { pause } from "../transport/pause.js";
import { withDefaults } from "../with-defaults.js";
import { done, gap } from "./event-queue.js";
import type { SubscribeOptions, SubscriptionIterator } from "./subscription.js";

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
 * in it: applying them again is harmless by contract.
 */
export function createLive(client: Client, settings: Settings): Live {
  return (name, params, reduce, options = {}) => {
    if (Array.isArray(params)) throw new TypeError("live() needs params by name");
    const { signal, buffer } = withDefaults(options, {
      signal: undefined as AbortSignal | undefined,
      buffer: 1_024,
    } satisfies Record<keyof LiveOptions, unknown>);
    const paramsWith = (isAsked: boolean) => ({ ...(params as object), [snapshotMember]: isAsked });
    const events = client
      .subscribe(name, paramsWith(false), { signal, buffer, gaps: true })
      [Symbol.asyncIterator]();
    const over = new AbortController();
    signal?.addEventListener("abort", () => over.abort(), { signal: over.signal });
    if (signal?.aborted) over.abort();

    let state: unknown;
    let isCurrent = false;
    let last: Promise<unknown> = Promise.resolve();

    const ask = () =>
      client.call(name, paramsWith(true), {
        signal: over.signal,
        timeout: Number.POSITIVE_INFINITY,
        idempotent: true,
      });
    const snapshot = async () => snapshotOf(name, await repeated(ask, settings, over.signal));

    const step = async (): Promise<IteratorResult<Step, undefined>> => {
      if (isCurrent) {
        const item = await events.next();
        if (item.done) return done;
        if (item.value !== gap) {
          state = reduce(state, item.value);
          return { done: false, value: { state, event: item.value, reset: false } };
        }
        isCurrent = false;
      }
      try {
        state = await snapshot();
      } catch (error) {
        // given up with the subscription, which says why
        if (isOfSubscription(error)) return endOf(events);
        throw error;
      }
      isCurrent = true;
      return { done: false, value: { state, event: undefined, reset: true } };
    };

    const end = async () => {
      over.abort();
      await events.return();
    };

    const take = async (): Promise<IteratorResult<Step, undefined>> => {
      try {
        return await (over.signal.aborted && !isCurrent ? endOf(events) : step());
      } catch (error) {
        await end();
        throw error;
      }
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

/** Makes the call, again after a back-off as long as it fails for the time being. */
async function repeated(
  ask: () => Promise<unknown>,
  settings: Settings,
  signal: AbortSignal,
  tries = 1,
): Promise<unknown> {
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
