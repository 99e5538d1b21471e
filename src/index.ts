/** The server's door. */

export type { CustomVerifierOptions, VerifiedSession } from "./auth/custom-verifier.js";
export { type IntrospectionOptions, introspection } from "./auth/introspection.js";
export type { IssuerLookup } from "./auth/issuer-lookup.js";
export type { IssuerPort } from "./auth/issuer-port.js";
export type {
  Claims,
  Jwk,
  JwkSet,
  ProviderOptions,
  RenewedTokens,
} from "./auth/provider-options.js";
export { type TokenRefusedCode, TokenRefusedError } from "./auth/refusal.js";
export { type CloseReason, closeTable } from "./protocol/close-codes.js";
export {
  type ErrorData,
  type ErrorObject,
  type ErrorReason,
  errorTable,
  standardErrors,
} from "./protocol/error-codes.js";
export type { StandardSchema } from "./protocol/standard-schema.js";
export type { Bus, BusListener, HistoryOptions, TopicEvent, TopicState } from "./pubsub/bus.js";
export type {
  Generations,
  HistoryEntry,
  HistoryLog,
  HistoryReader,
  OpenedLog,
} from "./pubsub/history-log.js";
export type { Auth, ScopeRule } from "./rpc/define/access.js";
export type { AuthorizeContext, AuthorizeRule } from "./rpc/define/authorize.js";
export {
  createRpc,
  Router,
  type Rpc,
  type RpcOptions,
} from "./rpc/define/create-rpc.js";
export type { ErrorDeclaration, ErrorDeclarations } from "./rpc/define/declared-error.js";
export { Method, type MethodOptions } from "./rpc/define/declared-method.js";
export {
  type DeliverContext,
  type DeliverRule,
  type KeptHistory,
  type LoggedEvent,
  type LogPosition,
  type Overflow,
  type PublishOptions,
  type PublishRest,
  type SnapshotContext,
  type SnapshotSource,
  Subscription,
  type SubscriptionOptions,
  Topic,
  type TopicLog,
  type TopicOptions,
} from "./rpc/define/declared-subscription.js";
export type { ConnectionHandle, HandlerContext } from "./rpc/define/handler-context.js";
export type {
  ContextSource,
  Merged,
  Middleware,
  MiddlewareContext,
  MiddlewareResult,
  Next,
} from "./rpc/define/middleware.js";
export type {
  NotificationSchemas,
  NotifyTarget,
  ReauthorizeResult,
  RevocationSelector,
  RevokeOptions,
  ServerActions,
  SubscriptionSelector,
  UnsubscribeResult,
} from "./rpc/define/server-actions.js";
export type { StepUp } from "./rpc/define/step-up.js";
export type { Clock } from "./runtime/clock.js";
export type { Logger } from "./runtime/logger.js";
export type {
  KickResult,
  KickSelector,
  SessionList,
  SessionsOptions,
} from "./server/cluster/session-admin.js";
export type { ConnectionLoad, SessionFilter, SessionInfo } from "./server/cluster/session-info.js";
export {
  type BearerAuth,
  type BearerAuthOptions,
  type BearerCheck,
  type BearerRefusal,
  type BearerRequest,
  bearerAuth,
} from "./server/http/bearer-auth.js";
export type {
  EndedSubscription,
  HookContext,
  HookedSubscription,
  HookOptions,
} from "./server/lifecycle/hooks.js";
export { defaultLimits, type Limits } from "./server/limits.js";
export type {
  MetricsOptions,
  MetricsRegistry,
  RegisteredMetric,
} from "./server/metrics/metrics.js";
export { createServer, type Server } from "./server/server.js";
export type {
  Listening,
  ServerOptions,
} from "./server/server-options.js";
export { jsonLogger, type LogLevel } from "./server/telemetry/json-logger.js";
export type { AuthOption } from "./server/token-authority.js";
export {
  createTokenVerifier,
  type StandaloneTokenVerifier,
  type TokenVerifier,
  type TokenVerifierOptions,
  type VerifyContext,
} from "./server/token-verifier.js";
export type { Store } from "./store/store.js";
