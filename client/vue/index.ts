/** The client in Vue 3: what components show, as refs. */
import {
  getCurrentInstance,
  type MaybeRefOrGetter,
  onMounted,
  onScopeDispose,
  type ShallowRef,
  shallowRef,
  toValue,
  watch,
} from "vue";
import type { Client, Untyped } from "../browser.js";
import {
  type CallView,
  type MutationControls,
  type MutationView,
  uncalled,
} from "../stores/call-store.js";
import {
  createStores,
  type LiveArguments,
  type LiveView,
  type SelectMethod,
  type SelectSubscription,
  type SessionView,
  type SubscriptionListeners,
  type SubscriptionView,
  type ViewStore,
} from "../stores/index.js";
import { noState } from "../stores/live-store.js";
import { switchedOff } from "../stores/subscription-store.js";

/** What a component shows: `prices.event` in a template, `prices.value.event` in a script. */
export type ViewRef<View> = Readonly<ShallowRef<View>>;

/** Whether the component wants it. */
export interface EnabledOption {
  /**
   * `false`: the server is asked for nothing.
   * @default true
   */
  readonly enabled?: MaybeRefOrGetter<boolean> | undefined;
}

type Arguments<Params, Options> = undefined extends Params
  ? [params?: MaybeRefOrGetter<Params>, options?: Options]
  : [params: MaybeRefOrGetter<Params>, options?: Options];

/** What `createComposables` makes: functions for `setup`. */
export interface Composables<App> {
  /** Returns the client's state and session. */
  useSession(): ViewRef<SessionView>;
  /** Subscribes while the component is mounted; anew when the params change. */
  useSubscription<Params, Event>(
    select: SelectSubscription<App, Params, Event, unknown>,
    ...args: Arguments<Params, SubscriptionListeners<Event> & EnabledOption>
  ): ViewRef<SubscriptionView<Event>>;
  /**
   * Keeps the state of a topic with `snapshot` current; anew when the params change. `reduce` gives
   * another state and does not change the one that it gets.
   */
  useLive<Params, Event, State>(
    select: SelectSubscription<App, Params, Event, State>,
    params: MaybeRefOrGetter<LiveArguments<Params, Event, State>[0]>,
    reduce: LiveArguments<Params, Event, State>[1],
    options?: EnabledOption,
  ): ViewRef<LiveView<State>>;
  /** Calls a method when the component is mounted; anew when the params change, and by `reload`. */
  useCall<Params, Result, Errors>(
    select: SelectMethod<App, Params, Result, Errors>,
    ...args: Arguments<Params, EnabledOption>
  ): { readonly view: ViewRef<CallView<Result, Errors>>; readonly reload: () => void };
  /** Returns a method that the component calls by `run`. */
  useMutation<Params, Result, Errors>(
    select: SelectMethod<App, Params, Result, Errors>,
  ): MutationControls<Params, Result, Errors> & {
    readonly view: ViewRef<MutationView<Result, Errors>>;
  };
}

/**
 * Makes composables for one client, which outlives components.
 *
 * @example
 * ```ts
 * export const { useSession, useSubscription } = createComposables<App>(client);
 * // in a component's setup:
 * const price = useSubscription((api) => api.prices, () => ({ symbol: props.symbol }));
 * ```
 */
export function createComposables<App = Untyped>(client: Client<App>): Composables<App> {
  const stores = createStores(client as unknown as Client);
  const composables = {
    useSession: () => refOf(() => stores.session(), undefined),
    useSubscription: (select: never, params?: unknown, options: EnabledOption = {}) => {
      const { enabled, ...listeners } = options;
      return refOf(
        (given) => stores.subscription(select, given, listeners),
        switchedOff as SubscriptionView<unknown>,
        params,
        enabled,
      );
    },
    useLive: (select: never, params: unknown, reduce: never, { enabled }: EnabledOption = {}) =>
      refOf(
        (given) => stores.live(select, given, reduce),
        noState as LiveView<unknown>,
        params,
        enabled,
      ),
    useCall(select: never, params?: unknown, { enabled }: EnabledOption = {}) {
      let store: ReturnType<typeof make> | undefined;
      const make = (given: unknown) => stores.call<unknown, unknown, unknown>(select, given);
      const view = refOf(
        (given) => {
          store = make(given);
          return store;
        },
        uncalled as CallView<unknown, unknown>,
        params,
        enabled,
      );
      return { view, reload: () => store?.reload() };
    },
    useMutation(select: never) {
      const store = stores.mutation<unknown, unknown, unknown>(select);
      return { view: refOf(() => store, undefined), run: store.run, reset: store.reset };
    },
  };
  return composables as unknown as Composables<App>;
}

/**
 * Returns a ref of the view of the store that `make` makes for the params: another store when they
 * change, compared as JSON. The store begins when the component is mounted, and so never on a
 * server.
 */
function refOf<View>(
  make: (params: unknown) => ViewStore<View>,
  off: View | undefined,
  params?: unknown,
  enabled: EnabledOption["enabled"] = true,
): ViewRef<View> {
  const read = () =>
    off === undefined || toValue(enabled) ? (JSON.stringify(toValue(params)) ?? "") : undefined;
  const store = (key: string) => make(key === "" ? undefined : JSON.parse(key));
  const first = read();
  const ref = shallowRef(first === undefined ? (off as View) : store(first).view());
  let stop = () => {};
  const begin = () =>
    watch(
      read,
      (key) => {
        stop();
        stop = () => {};
        if (key === undefined) ref.value = off as View;
        else
          stop = store(key).subscribe((view) => {
            ref.value = view;
          });
      },
      { immediate: true },
    );
  if (getCurrentInstance() === null) begin();
  else onMounted(begin);
  onScopeDispose(() => stop());
  return ref;
}
