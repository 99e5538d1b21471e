import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { SubscribeName, SubscriptionEvent, SubscriptionParams } from "../client-api.js";
import type { Client, Untyped } from "../index.js";
import { withDefaults } from "../with-defaults.js";
import { beginning, type FeedListeners, FeedStore, type FeedView } from "./feed-store.js";
import { useRpc } from "./rpc-context.js";

/** The options of `useSubscription`. */
export interface UseSubscriptionOptions<Event> {
  /** Called with each event: a component that is drawn seldom sees the last one only. */
  readonly onEvent?: (event: Event) => void;
  /** Called where events were lost: read the current state again. */
  readonly onGap?: () => void;
}

/** A subscription, as a component sees it. */
export interface SubscriptionView<Event> extends Omit<FeedView, "event"> {
  /** The last event; `undefined` before the first. */
  readonly event: Event | undefined;
}

const atFirst = () => beginning;

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
  const [name, params, options = {}] = args as readonly [
    string,
    unknown?,
    UseSubscriptionOptions<never>?,
  ];
  const client = useRpc() as Client;
  const key = JSON.stringify(params);
  const store = useMemo(
    () => new FeedStore(client, name, key === undefined ? undefined : JSON.parse(key)),
    [client, name, key],
  );
  const told: FeedListeners = withDefaults(options, {
    onEvent: undefined,
    onGap: undefined,
  } satisfies Record<keyof FeedListeners, unknown>);
  useEffect(() => store.tell(told));
  return useSyncExternalStore(store.subscribe, store.view, atFirst) as SubscriptionView<
    SubscriptionEvent<App, Name>
  >;
}
