import { useEffect } from "react";
import type { Untyped } from "../browser.js";
import type {
  CallArguments,
  LiveName,
  SubscriptionEvent,
  SubscriptionParams,
  SubscriptionState,
} from "../client-api.js";
import {
  LiveStore,
  type LiveView,
  loadingState,
  noState,
  type Reduce,
} from "../stores/live-store.js";
import type { ViewStore } from "../stores/view-store.js";
import { withDefaults } from "../with-defaults.js";
import { useStore } from "./use-store.js";

/** The options of `useLive`. */
export interface UseLiveOptions {
  /**
   * `false`: nothing is subscribed to.
   * @default true
   */
  readonly enabled?: boolean | undefined;
}

interface LiveSource extends ViewStore<LiveView<unknown>> {
  reduceBy(reduce: Reduce<unknown, unknown>): void;
}

const off: LiveSource = { view: () => noState, subscribe: () => () => {}, reduceBy: () => {} };
const liveState = { make: LiveStore, first: loadingState, off };

/** Each name with its own params and `reduce`; `Name` may be several. */
type LiveHookArguments<App, Name extends string> = Name extends Name
  ? [
      name: Name,
      params: CallArguments<SubscriptionParams<App, Name>>[0],
      reduce: Reduce<SubscriptionState<App, Name>, SubscriptionEvent<App, Name>>,
      options?: UseLiveOptions,
    ]
  : never;

/**
 * Keeps the state of a topic with `snapshot` current, as `client.live` does, for as long as the
 * component is mounted; begins anew when the name, the params (compared as JSON) or the client
 * change. `reduce` may be another function at each drawing: the newest one is called. It must give
 * another state, not change the one that it is given.
 *
 * @throws {Error} if the component stands in no `RpcProvider`
 * @throws {TypeError} if an option doesn't exist
 * @example
 * ```tsx
 * const add = (cards: Cards, card: Card) => ({ ...cards, [card.id]: card });
 * const { state, status, error } = useLive<App, "board">("board", { board: "b1" }, add);
 * return <p>{status}: {Object.keys(state ?? {}).length} cards {String(error ?? "")}</p>;
 * ```
 */
export function useLive<App = Untyped, Name extends LiveName<App> = LiveName<App>>(
  ...args: LiveHookArguments<App, Name>
): LiveView<SubscriptionState<App, Name>> {
  const [name, params, reduce, options = {}] = args as unknown as Parameters<typeof useLiveState>;
  return useLiveState(name, params, reduce, options) as LiveView<SubscriptionState<App, Name>>;
}

export function useLiveState(
  name: string,
  params: unknown,
  reduce: Reduce<unknown, unknown>,
  options: object,
): LiveView<unknown> {
  const { enabled } = withDefaults(options, { enabled: true } satisfies Record<
    keyof UseLiveOptions,
    unknown
  >);
  const [store, view] = useStore<LiveView<unknown>, LiveSource>(liveState, name, params, enabled);
  useEffect(() => store.reduceBy(reduce));
  return view;
}
