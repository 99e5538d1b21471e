import type { Client, LiveStep } from "../browser.js";
import { FeedStore, statusIn } from "./feed-store.js";

/** The live state of a topic, as a component sees it. */
export interface LiveView<State> {
  /**
   * `off`: it isn't enabled. `loading`: there is no snapshot yet. `waiting`: there is no connection
   * to a server, or no session; the state may be old. `live`: the connection is ready, and the state
   * follows the server's. `completed`, `failed`: how it has ended.
   */
  readonly status: "off" | "loading" | "waiting" | "live" | "completed" | "failed";
  /** The state; `undefined` before the first snapshot. */
  readonly state: State | undefined;
  /** How many snapshots the state began with: more than 1 after events were lost. */
  readonly resets: number;
  /** Why it has failed: a `SubscriptionEndedError`, or an error of a call. */
  readonly error: unknown;
}

/** Makes the next state of the last one and an event. */
export type Reduce<State, Event> = (state: State, event: Event) => State;

type AnyReduce = Reduce<unknown, unknown>;

/** The view of a component that has just been mounted, or is drawn on a server. */
export const loadingState = {
  status: "loading",
  state: undefined,
  resets: 0,
  error: undefined,
} as const;

/** The view of a live state that isn't enabled. */
export const noState = { ...loadingState, status: "off" } as const;

/** The state that a topic's snapshot and its events make. */
export class LiveStore extends FeedStore<LiveView<unknown>> {
  #reduce: AnyReduce = (state) => state;

  constructor(client: Client, name: string, params: unknown) {
    super(client, name, params, loadingState);
  }

  /** Sets the function that applies events from now on. */
  reduceBy(reduce: AnyReduce): void {
    this.#reduce = reduce;
  }

  protected open(signal: AbortSignal): AsyncIterable<unknown> {
    this.show(loadingState);
    const reduce: AnyReduce = (state, event) => this.#reduce(state, event);
    return this.client.live(this.name, this.params, reduce, { signal });
  }

  protected take(step: unknown): void {
    const { state, reset } = step as LiveStep<unknown, unknown>;
    const resets = this.view().resets + Number(reset);
    this.show({ status: statusIn(this.client.state), state, resets, error: undefined });
  }
}
