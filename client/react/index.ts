/** The client in React, 18 or newer. */
export { RpcProvider, useRpc } from "./rpc-context.js";
export { type SessionView, useSession } from "./use-session.js";
export {
  type SubscriptionView,
  type UseSubscriptionOptions,
  useSubscription,
} from "./use-subscription.js";
