import type { Client, Untyped } from "../browser.js";
import type { CallArguments } from "../client-api.js";
import { withDefaults } from "../with-defaults.js";
import {
  CallStore,
  type CallView,
  type MutationControls,
  MutationStore,
  type MutationView,
} from "./call-store.js";
import { LiveStore, type LiveView, type Reduce } from "./live-store.js";
import {
  type MethodKind,
  type RouteRef,
  type RouteRefs,
  routeName,
  type SubscriptionKind,
} from "./route-refs.js";
import { type SessionView, sessionStoreOf } from "./session-store.js";
import { type FeedListeners, type FeedView, SubscriptionStore } from "./subscription-store.js";
import type { ViewStore } from "./view-store.js";

/** A subscription, as a component sees it. */
export interface SubscriptionView<Event> extends Omit<FeedView, "event"> {
  /** The last event; `undefined` before the first. */
  readonly event: Event | undefined;
}

/** What a subscription's component wants to be told. */
export interface SubscriptionListeners<Event> {
  /** Called with each event: a component that is drawn seldom sees the last one only. */
  readonly onEvent?: ((event: Event) => void) | undefined;
  /** Called where events were lost: read the current state again. */
  readonly onGap?: (() => void) | undefined;
}

/** `params` may be left out when the route takes none, or needs none. */
export type RouteArguments<Params, Options = undefined> = CallArguments<Params, Options>;

/** Names a method: `(api) => api.orders.list`. */
export type SelectMethod<App, Params, Result, Errors> = (
  api: RouteRefs<App>,
) => RouteRef<MethodKind<Params, Result, Errors>>;

/** Names a subscription or a topic: `(api) => api.prices`. */
export type SelectSubscription<App, Params, Event, State> = (
  api: RouteRefs<App>,
) => RouteRef<SubscriptionKind<Params, Event, State>>;

/** `params` may be `undefined` when the topic takes none, or needs none. */
export type LiveArguments<Params, Event, State> = [
  params: CallArguments<Params>[0],
  reduce: [State] extends [undefined] ? never : Reduce<State, Event>,
];

/** The stores of one client. */
export interface Stores<App> {
  /** Returns the client's state and session. */
  session(): ViewStore<SessionView>;
  /** Returns a subscription, which lives as long as somebody listens. */
  subscription<Params, Event>(
    select: SelectSubscription<App, Params, Event, unknown>,
    ...args: RouteArguments<Params, SubscriptionListeners<Event>>
  ): ViewStore<SubscriptionView<Event>>;
  /**
   * Returns the state of a topic with `snapshot`, kept current as `client.live` does: `reduce` gives
   * another state and does not change the one that it gets.
   */
  live<Params, Event, State>(
    select: SelectSubscription<App, Params, Event, State>,
    ...args: LiveArguments<Params, Event, State>
  ): ViewStore<LiveView<State>>;
  /** Returns the result of a call, made when somebody begins to listen. */
  call<Params, Result, Errors>(
    select: SelectMethod<App, Params, Result, Errors>,
    ...args: RouteArguments<Params>
  ): ViewStore<CallView<Result, Errors>> & { readonly reload: () => void };
  /** Returns a call that its `run` starts. */
  mutation<Params, Result, Errors>(
    select: SelectMethod<App, Params, Result, Errors>,
  ): ViewStore<MutationView<Result, Errors>> & MutationControls<Params, Result, Errors>;
}

/**
 * Makes what components show, as stores: each begins when somebody listens and ends when nobody
 * does. In Svelte they are stores as they are, and the hooks for React and Vue are made of them.
 *
 * @example
 * ```ts
 * const stores = createStores(client);
 * const prices = stores.subscription((api) => api.prices, { symbol: "BTC" });
 * const stop = prices.subscribe(({ status, event }) => console.log(status, event));
 * ```
 */
export function createStores<App = Untyped>(client: Client<App>): Stores<App> {
  const untyped = client as unknown as Client;
  const stores = {
    session: () => sessionStoreOf(untyped),
    subscription(
      select: (api: RouteRefs<App>) => unknown,
      params?: unknown,
      listeners: object = {},
    ) {
      const store = new SubscriptionStore(untyped, routeName(select), params);
      store.tell(listenersFrom(listeners));
      return store;
    },
    live: (
      select: (api: RouteRefs<App>) => unknown,
      params: unknown,
      reduce: Reduce<unknown, unknown>,
    ) => {
      const store = new LiveStore(untyped, routeName(select), params);
      store.reduceBy(reduce);
      return store;
    },
    call: (select: (api: RouteRefs<App>) => unknown, params?: unknown) =>
      new CallStore(untyped, routeName(select), params),
    mutation: (select: (api: RouteRefs<App>) => unknown) =>
      new MutationStore(untyped, routeName(select)),
  };
  return stores as unknown as Stores<App>;
}

/** Throws a `TypeError` for an option that doesn't exist: it would never be called. */
export function listenersFrom(options: object): FeedListeners {
  return withDefaults(options, {
    onEvent: undefined,
    onGap: undefined,
  } satisfies Record<keyof FeedListeners, unknown>);
}
