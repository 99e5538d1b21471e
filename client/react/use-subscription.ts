import { useEffect } from "react";
import type { Untyped } from "../browser.js";
import type { SubscribeName, SubscriptionEvent, SubscriptionParams } from "../client-api.js";
import type { SubscriptionListeners, SubscriptionView } from "../stores/create-stores.js";
import {
  beginning,
  type FeedListeners,
  type FeedView,
  SubscriptionStore,
  switchedOff,
} from "../stores/subscription-store.js";
import type { ViewStore } from "../stores/view-store.js";
import { withDefaults } from "../with-defaults.js";
import { useStore } from "./use-store.js";

/** The options of `useSubscription`. */
export interface UseSubscriptionOptions<Event> extends SubscriptionListeners<Event> {
  /**
   * `false`: nothing is subscribed to.
   * @default true
   */
  readonly enabled?: boolean | undefined;
}

interface FeedSource extends ViewStore<FeedView> {
  tell(told: FeedListeners): void;
}

const off: FeedSource = { view: () => switchedOff, subscribe: () => () => {}, tell: () => {} };
const subscription = { make: SubscriptionStore, first: beginning, off };

type Rest<Params, Options> = undefined extends Params
  ? [params?: Params, options?: Options]
  : Record<never, never> extends Params
    ? [params?: Params, options?: Options]
    : [params: Params, options?: Options];

/** Each name with its own params and options; `Name` may be several. */
type HookArguments<App, Name extends string> = Name extends Name
  ? [
      name: Name,
      ...Rest<SubscriptionParams<App, Name>, UseSubscriptionOptions<SubscriptionEvent<App, Name>>>,
    ]
  : never;

/**
 * Subscribes by wire name for as long as the component is mounted; anew when the name, the params
 * (compared as JSON) or the client change. Returns the last event, how often events were lost, and
 * how the subscription ended.
 *
 * @throws {Error} if the component stands in no `RpcProvider`
 * @throws {TypeError} if an option doesn't exist
 * @example
 * ```tsx
 * const params = { symbol: "BTC" };
 * const { event, gaps, status, error } = useSubscription<App, "prices">("prices", params);
 * return <p>{status}: {event?.price}, {gaps} gaps, {String(error ?? "")}</p>;
 * ```
 */
export function useSubscription<
  App = Untyped,
  Name extends SubscribeName<App> = SubscribeName<App>,
>(...args: HookArguments<App, Name>): SubscriptionView<SubscriptionEvent<App, Name>> {
  const [name, params, options = {}] = args as readonly [string, unknown?, object?];
  return useFeed(name, params, options) as SubscriptionView<SubscriptionEvent<App, Name>>;
}

export function useFeed(name: string, params: unknown, options: object): SubscriptionView<unknown> {
  const { enabled, ...told } = withDefaults(options, {
    enabled: true,
    onEvent: undefined,
    onGap: undefined,
  } satisfies Record<keyof UseSubscriptionOptions<never>, unknown>);
  const [store, view] = useStore<FeedView, FeedSource>(subscription, name, params, enabled);
  useEffect(() => store.tell(told));
  return view;
}
