/** The client for browsers without `live`, which keeps the ready-made module small. */

export { type Client, type ClientEvents, createClient } from "./client.js";
export type {
  BuiltinMethods,
  CallName,
  CallOptions,
  CallPromise,
  ClientApi,
  LiveName,
  MethodName,
  SubscribeName,
  SubscriptionName,
  Untyped,
} from "./client-api.js";
export type { ClientState, StateChange } from "./connection/client-state.js";
export {
  AuthStopError,
  type CallError,
  type ClientFault,
  DisconnectedError,
  JotwireError,
  RpcError,
  type StandardFault,
  SubscriptionEndedError,
  UpgradeRefusedError,
} from "./errors.js";
export type { ClientOptions, ClientTesting } from "./options.js";
export { type SafeResult, safe } from "./safe.js";
export type { Session } from "./session/session.js";
export type { TokenCallback, TokenReason, TokenRequest } from "./session/token-request.js";
export { gap } from "./subscriptions/event-queue.js";
export type {
  SubscribeOptions,
  Subscription,
  SubscriptionIterator,
} from "./subscriptions/subscription.js";
export type { BackoffRange } from "./transport/backoff.js";
export type { ClientClock } from "./transport/clock.js";
export type { SocketConstructor, SocketLike } from "./transport/socket.js";
