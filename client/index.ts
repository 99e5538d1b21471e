/** The client for browsers, and for any platform that has a WebSocket of its own. */
export type { BackoffRange } from "./backoff.js";
export { type Client, type ClientEvents, createClient } from "./client.js";
export type { CallOptions, CallPromise, ClientApi, MethodName, SubscriptionName, Untyped } from "./client-api.js";
export type { ClientClock } from "./client-clock.js";
export type { ClientState, StateChange } from "./client-state.js";
export {
  AuthStop,
  type CallError,
  type ClientFault,
  DisconnectedError,
  JotwireError,
  RpcError,
  type StandardFault,
  SubscriptionEnded,
} from "./errors.js";
export { gap } from "./event-queue.js";
export type { ClientOptions } from "./options.js";
export { type SafeResult, safe } from "./safe.js";
export type { Session } from "./session.js";
export type { SocketConstructor, SocketLike } from "./socket.js";
export type { SubscribeOptions, Subscription, SubscriptionIterator } from "./subscription.js";
export type { TokenCallback, TokenReason, TokenRequest } from "./token-source.js";
