/** The client in React, 18 or newer. */
export type { CallView, MutationControls, MutationView } from "../stores/call-store.js";
export type {
  LiveArguments,
  RouteArguments,
  SelectMethod,
  SelectSubscription,
  SubscriptionListeners,
  SubscriptionView,
} from "../stores/create-stores.js";
export type { LiveView, Reduce } from "../stores/live-store.js";
export type { SessionView } from "../stores/session-store.js";
export { createHooks, type Hooks, type UseCallOptions } from "./create-hooks.js";
export { RpcProvider, useRpc } from "./rpc-context.js";
export { type UseLiveOptions, useLive } from "./use-live.js";
export { useSession } from "./use-session.js";
export { type UseSubscriptionOptions, useSubscription } from "./use-subscription.js";
