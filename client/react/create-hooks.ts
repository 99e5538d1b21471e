import { useMemo, useSyncExternalStore } from "react";
import type { Client, Untyped } from "../browser.js";
import {
  CallStore,
  type CallView,
  type MutationControls,
  MutationStore,
  type MutationView,
  uncalled,
} from "../stores/call-store.js";
import type {
  LiveArguments,
  RouteArguments,
  SelectMethod,
  SelectSubscription,
  SubscriptionView,
} from "../stores/create-stores.js";
import type { LiveView, Reduce } from "../stores/live-store.js";
import { type RouteRefs, routeName } from "../stores/route-refs.js";
import type { SessionView } from "../stores/session-store.js";
import type { ViewStore } from "../stores/view-store.js";
import { withDefaults } from "../with-defaults.js";
import { useRpc } from "./rpc-context.js";
import { type UseLiveOptions, useLiveState } from "./use-live.js";
import { useSession } from "./use-session.js";
import { useStore } from "./use-store.js";
import { type UseSubscriptionOptions, useFeed } from "./use-subscription.js";

/** Options of `useCall`. */
export interface UseCallOptions {
  /**
   * `false`: nothing is called.
   * @default true
   */
  readonly enabled?: boolean | undefined;
}

/** The hooks of one application: see `createHooks`. */
export interface Hooks<App> {
  /** Returns the client of the nearest `RpcProvider`. */
  useRpc(): Client<App>;
  /** Returns the client's state and session, and why it is in this state. */
  useSession(): SessionView;
  /** Subscribes while the component is mounted; anew when the params change. */
  useSubscription<Params, Event>(
    select: SelectSubscription<App, Params, Event, unknown>,
    ...args: RouteArguments<Params, UseSubscriptionOptions<Event>>
  ): SubscriptionView<Event>;
  /**
   * Keeps the state of a topic with `snapshot` current; anew when the params change. `reduce` gives
   * another state and does not change the one that it gets.
   */
  useLive<Params, Event, State>(
    select: SelectSubscription<App, Params, Event, State>,
    ...args: [...LiveArguments<Params, Event, State>, options?: UseLiveOptions]
  ): LiveView<State>;
  /** Calls a method when the component is mounted; anew when the params change, and by `reload`. */
  useCall<Params, Result, Errors>(
    select: SelectMethod<App, Params, Result, Errors>,
    ...args: RouteArguments<Params, UseCallOptions>
  ): CallView<Result, Errors> & { readonly reload: () => void };
  /** Returns a method that the component calls by `run`, whose promise never rejects. */
  useMutation<Params, Result, Errors>(
    select: SelectMethod<App, Params, Result, Errors>,
  ): MutationView<Result, Errors> & MutationControls<Params, Result, Errors>;
}

/**
 * Makes hooks that know the application: `(api) => api.orders.list` names a route, and its params,
 * results, events and errors have their types.
 *
 * @example
 * ```tsx
 * const { useSubscription, useMutation } = createHooks<App>();
 * function Price() {
 *   const { event, status } = useSubscription((api) => api.prices, { symbol: "BTC" });
 *   const order = useMutation((api) => api.orders.create);
 *   return <button onClick={() => order.run({ sku: "A1" })}>{status} {event?.price}</button>;
 * }
 * ```
 */
export function createHooks<App = Untyped>(): Hooks<App> {
  type Select = (api: RouteRefs<App>) => unknown;
  const hooks = {
    useRpc,
    useSession,
    useSubscription: (select: Select, params?: unknown, options: object = {}) =>
      useFeed(routeName<App>(select), params, options),
    useLive: (
      select: Select,
      params: unknown,
      reduce: Reduce<unknown, unknown>,
      options: object = {},
    ) => useLiveState(routeName<App>(select), params, reduce, options),
    useCall: (select: Select, params?: unknown, options: object = {}) =>
      useNamedCall(routeName<App>(select), params, options),
    useMutation: (select: Select) => useNamedMutation(routeName<App>(select)),
  };
  return hooks as unknown as Hooks<App>;
}

interface CallSource extends ViewStore<CallView<unknown, unknown>> {
  readonly reload: () => void;
}

const off: CallSource = { view: () => uncalled, subscribe: () => () => {}, reload: () => {} };
const call = { make: CallStore<unknown, unknown>, first: CallStore.first, off };

function useNamedCall(name: string, params: unknown, options: object) {
  const { enabled } = withDefaults(options, { enabled: true } satisfies Record<
    keyof UseCallOptions,
    unknown
  >);
  const [{ reload }, view] = useStore<CallView<unknown, unknown>, CallSource>(
    call,
    name,
    params,
    enabled,
  );
  return { ...view, reload };
}

const idleAtFirst = () => MutationStore.first;

function useNamedMutation(name: string) {
  const client = useRpc() as Client;
  const store = useMemo(() => new MutationStore(client, name), [client, name]);
  const view: MutationView<unknown, unknown> = useSyncExternalStore(
    store.subscribe,
    store.view,
    idleAtFirst,
  );
  return { ...view, run: store.run, reset: store.reset };
}
