/** What components of any framework show of a client: see `createStores`. */
export type { CallView, MutationControls, MutationView } from "./call-store.js";
export {
  createStores,
  type LiveArguments,
  type RouteArguments,
  type SelectMethod,
  type SelectSubscription,
  type Stores,
  type SubscriptionListeners,
  type SubscriptionView,
} from "./create-stores.js";
export type { LiveView, Reduce } from "./live-store.js";
export type { MethodKind, RouteRef, RouteRefs, SubscriptionKind } from "./route-refs.js";
export type { SessionView } from "./session-store.js";
export type { ViewStore } from "./view-store.js";
