import type {
  Jsonified,
  kind,
  MethodContract,
  Route,
  RouterContract,
} from "../../protocol/contract.js";
import type { SchemaInput, SchemaOutput, StandardSchema } from "../../protocol/standard-schema.js";
import { refuseUnknownOptions } from "../../runtime/known-options.js";
import type { Logger } from "../../runtime/logger.js";
import type { Auth, ScopeRule } from "./access.js";
import type { AuthorizeRule } from "./authorize.js";
import type { ErrorDeclarations, ErrorFactories } from "./declared-error.js";
import {
  Subscription,
  type SubscriptionDefinition,
  type SubscriptionOptions,
  Topic,
  type TopicDefinition,
  type TopicOptions,
} from "./declared-subscription.js";
import type { NotificationSchemas, ServerActions } from "./server-actions.js";
import type { StepUp } from "./step-up.js";

/**
 * Declares what an application serves: `createRpc`, and the methods, topics and routers that it
 * makes.
 */

/** Options of `createRpc`, shared by all methods of an application. */
export interface RpcOptions<
  Claims,
  Scopes extends readonly string[],
  Notifications extends NotificationSchemas,
> {
  /**
   * Schema of the claims, validated at `authenticate` and `refresh`; its output is `auth.claims`.
   * @default none; `auth.claims` has the claims without validation
   */
  readonly claims?: Claims;
  /**
   * All scopes of the application, so that a misspelt scope does not compile.
   * @default any string
   */
  readonly scopes?: Scopes;
  /**
   * Notifications that `connection.notify` may send.
   * @default none
   */
  readonly notifications?: Notifications;
}

/** The connection of a call, for its handler. */
export interface ConnectionHandle<Notifications extends NotificationSchemas = NotificationSchemas> {
  /** The connection's id, as `server.kick` and `server.notify` take it. */
  readonly id: string;
  /** The peer's address, seen through trusted proxies. */
  readonly remoteAddress: string;
  /**
   * Sends a declared notification to this connection. In EXPIRED the server holds the notification
   * and sends it after a refresh; in OPEN, and after the connection has closed, the server drops
   * it. Throws `TypeError` if the name is not declared or the params fail their schema.
   */
  notify<Name extends keyof Notifications & string>(
    name: Name,
    params: SchemaInput<Notifications[Name]>,
  ): void;
  /**
   * Closes the connection with 4403 `kicked`. The client does not reconnect until its application
   * asks for it.
   */
  kick(): void;
  /**
   * Asks the `authorize` rules of this connection's subscriptions again. Their events wait
   * meanwhile. Resolves when all have answered.
   */
  reauthorize(): Promise<void>;
}

/**
 * The argument of a handler. Destructure only the members that you need: `signal` and `log` are
 * created on first access.
 */
export interface HandlerContext<
  Params,
  AuthType,
  Errors,
  Notifications extends NotificationSchemas,
> {
  /** The params: the output of their schema. */
  readonly params: Params;
  /**
   * The caller at the time of the call, also after a logout. Null only in a public method, on a
   * connection without a session.
   */
  readonly auth: AuthType;
  /**
   * Aborts at the deadline, on `$/cancelRequest`, at a logout, and when the connection closes. Node
   * ends the process if a listener of a signal throws, so catch errors in listeners.
   */
  readonly signal: AbortSignal;
  /** The connection of the call. */
  readonly connection: ConnectionHandle<Notifications>;
  /** The declared errors: `throw error.NAME(data)`. */
  readonly error: ErrorFactories<Errors>;
  /** As `server.publish`: sends an event to all subscribers of a topic. */
  readonly publish: ServerActions<Notifications>["publish"];
  /** As `server.notify`: sends a declared notification to a connection, a subject or everybody. */
  readonly notify: ServerActions<Notifications>["notify"];
  /** As `server.reauthorize`: asks the rules of subscriptions again, after a change of rights. */
  readonly reauthorize: ServerActions<Notifications>["reauthorize"];
  /** As `server.revoke`: revokes tokens, and ends the sessions that use them. */
  readonly revoke: ServerActions<Notifications>["revoke"];
  /** The server's logger, with the connection and the method in every line. */
  readonly log: Logger;
  /**
   * Throws if the session that admitted the call has expired, was revoked or has ended by a logout,
   * even if another user has logged in on the connection since. Call this function in long handlers
   * before a privileged step.
   */
  assertLive(): void;
}

/** Options of `rpc.method`, without the handler. */
export interface MethodOptions<
  Params,
  Result,
  Errors,
  Public extends boolean,
  Scope extends string,
  Claims,
> {
  /**
   * Makes the method callable without a session.
   * @default false
   */
  readonly public?: Public;
  /** One line for `rpc.discover`. */
  readonly summary?: string;
  /** A longer text about the method, for `rpc.discover`. */
  readonly description?: string;
  /**
   * Scopes that the caller needs.
   * @default none; any authenticated caller may call
   */
  readonly scope?: ScopeRule<Scope>;
  /**
   * How strongly, and how lately, the caller must have logged in (RFC 9470). A caller whose token
   * says less gets -32012 `step_up_required`: the SDK then asks `token()` for another token and
   * repeats the call. Asked after the scopes.
   * @default none
   * @example stepUp: { acr: ["urn:example:mfa"], maxAge: 300_000 }
   */
  readonly stepUp?: StepUp;
  /**
   * The application's own rule, such as a right on one object. Asked with validated params, after
   * the scopes and before the handler. Only `true` allows the call; an error, or no answer before
   * the method's deadline, denies it. May be asynchronous.
   * @default none
   * @example authorize: ({ auth, params }) => boards.hasMember(params.board, auth.subject)
   */
  readonly authorize?: AuthorizeRule<Auth<Claims>, ParamsOut<Params>>;
  /**
   * Schema of `params`; the handler receives its output.
   * @default none; params are not validated
   */
  readonly params?: Params;
  /**
   * Schema of the result. A result that fails it becomes `Internal error`.
   * @default none; the result is not validated
   */
  readonly result?: Result;
  /**
   * Errors that the method may answer with.
   * @default none
   */
  readonly errors?: Errors;
  /**
   * Deadline in milliseconds; `Infinity` means no deadline.
   * @default `limits.requestTimeout`
   */
  readonly timeout?: number;
  /**
   * Allows a client to repeat the call after a lost connection.
   * @default false
   */
  readonly idempotent?: boolean;
}

const methodOptions = {
  ...{
    public: true,
    summary: true,
    description: true,
    scope: true,
    stepUp: true,
    authorize: true,
    params: true,
    result: true,
    errors: true,
  },
  ...{ timeout: true, idempotent: true, handler: true },
} satisfies Record<keyof MethodDefinition, true>;
const rpcOptions = { claims: true, scopes: true, notifications: true } satisfies Record<
  keyof RpcOptions<never, never, never>,
  true
>;

/** One method, as `createRpc().method` makes it. */
export class Method<Params, Result, Errors> implements MethodContract<Params, Result, Errors> {
  /** For types only: the kind of the route. */
  declare readonly [kind]: {
    readonly is: "method";
    readonly params: Params;
    readonly result: Result;
    readonly errors: Errors;
  };
  /** The argument of `rpc.method`. */
  readonly definition: MethodDefinition;

  constructor(definition: MethodDefinition) {
    refuseUnknownOptions("rpc.method", definition, methodOptions);
    this.definition = definition;
  }
}

/** The options of a method without their type parameters, for the registry. */
export interface MethodDefinition
  extends MethodOptions<StandardSchema, StandardSchema, ErrorDeclarations, boolean, string, never> {
  readonly handler: (context: never) => unknown;
}

/** The methods of an application, with its claims, scopes and notifications. */
export class Router<
  R,
  Notifications = unknown,
  Schemas extends NotificationSchemas = NotificationSchemas,
> implements RouterContract<R, Notifications>
{
  /** For types only: the params of the notifications. */
  declare readonly "~notifications"?: Notifications;
  /** For types only: the schemas of the notifications. */
  declare readonly "~schemas"?: Schemas;
  /** The methods, subscriptions, topics and nested routers, by name. */
  readonly routes: R;
  /** The schema of the claims. */
  readonly claims: StandardSchema | undefined;
  /** The scopes that the application declares. */
  readonly scopes: ReadonlySet<string> | undefined;
  /** The notifications that the application declares. */
  readonly notifications: ReadonlyMap<string, StandardSchema>;

  constructor(
    routes: R,
    options: RpcOptions<StandardSchema | undefined, readonly string[], NotificationSchemas>,
  ) {
    this.routes = routes;
    this.claims = options.claims;
    this.scopes = options.scopes === undefined ? undefined : new Set(options.scopes);
    this.notifications = new Map(Object.entries(options.notifications ?? {}));
  }
}

type MaybePromise<T> = T | Promise<T>;
type ClaimsOf<C> = C extends StandardSchema ? SchemaOutput<C> : Readonly<Record<string, unknown>>;
type ParamsIn<P> = P extends StandardSchema ? SchemaInput<P> : undefined;
type ParamsOut<P> = P extends StandardSchema ? SchemaOutput<P> : unknown;
type Returned<R> = R extends StandardSchema ? SchemaInput<R> : unknown;
type ResultOf<R, T> = Jsonified<R extends StandardSchema ? SchemaOutput<R> : T>;
type DataOf<D> = D extends { readonly data: infer Data extends StandardSchema }
  ? Jsonified<SchemaOutput<Data>>
  : undefined;
type ErrorsOf<E> = { readonly [Name in keyof E]: DataOf<E[Name]> };
type NotificationsOf<N> = { readonly [Name in keyof N]: Jsonified<SchemaOutput<N[Name]>> };
type AuthFor<Public, Claims> = Public extends true ? Auth<Claims> | null : Auth<Claims>;

/**
 * Makes methods, subscriptions, topics and routers whose types know the application's claims,
 * scopes and notifications.
 */
export interface Rpc<Claims, Scope extends string, Notifications extends NotificationSchemas>
  extends FeedMakers<Claims, Scope, Notifications> {
  /**
   * Declares a method: a call with one answer.
   *
   * @throws TypeError if an option is unknown
   * @example
   * const add = rpc.method({
   *   params: z.object({ a: z.number(), b: z.number() }),
   *   handler: ({ params }) => params.a + params.b,
   * });
   */
  method<
    Params extends StandardSchema | undefined = undefined,
    Result extends StandardSchema | undefined = undefined,
    const Errors extends ErrorDeclarations = Record<never, never>,
    Public extends boolean = false,
    T extends Returned<Result> = Returned<Result>,
  >(
    options: MethodOptions<Params, Result, Errors, Public, Scope, Claims> & {
      handler(
        context: HandlerContext<ParamsOut<Params>, AuthFor<Public, Claims>, Errors, Notifications>,
      ): MaybePromise<T>;
    },
  ): Method<ParamsIn<Params>, ResultOf<Result, T>, ErrorsOf<Errors>>;
  /**
   * Joins methods, subscriptions, topics and routers under names: `orders.list` on the wire.
   * @throws TypeError if a name or a route is invalid
   * @example const app = rpc.router({ orders: { list, watch } });
   */
  router<R extends RouteTree>(routes: R): Router<R, NotificationsOf<Notifications>, Notifications>;
}

export interface RouteTree {
  readonly [name: string]: Route | RouteTree;
}

/**
 * Starts an application's description: its scopes, claims and notifications.
 *
 * @throws TypeError if an option is unknown
 * @example
 * const rpc = createRpc({ scopes: ["orders:read"] });
 * const list = rpc.method({ scope: "orders:read", handler: () => ["o1", "o2"] });
 * export const app = rpc.router({ orders: { list } });
 */
export function createRpc<
  C extends StandardSchema | undefined = undefined,
  const S extends readonly string[] = readonly string[],
  const N extends NotificationSchemas = Record<never, never>,
>(options: RpcOptions<C, S, N> = {}): Rpc<ClaimsOf<C>, S[number], N> {
  refuseUnknownOptions("createRpc", options, rpcOptions);
  return {
    method: (definition) => new Method(definition as unknown as MethodDefinition),
    subscription: (definition) => new Subscription(definition as unknown as SubscriptionDefinition),
    topic: (definition) => new Topic(definition as unknown as TopicDefinition),
    router: (routes) => new Router(routes, options),
  };
}

type ParamsOf<P> = P extends StandardSchema ? SchemaOutput<P> : unknown;
type Yielded<E> = E extends StandardSchema ? SchemaInput<E> : unknown;
type EventOf<E, T> = Jsonified<E extends StandardSchema ? SchemaOutput<E> : T>;
/** `undefined` without a snapshot, which is no state: as JSON it would be null. */
type StateOf<S> = [S] extends [never] ? undefined : Jsonified<S>;

/** The part of {@link Rpc} that makes subscriptions and topics. */
interface FeedMakers<Claims, Scope extends string, Notifications extends NotificationSchemas> {
  /**
   * Declares a subscription whose events come from an async generator, one per subscriber.
   *
   * @throws TypeError if an option is unknown
   * @example
   * const countdown = rpc.subscription({
   *   async *handler({ signal }) {
   *     for (let n = 3; n > 0 && !signal.aborted; n--) yield n;
   *   },
   * });
   */
  subscription<
    Params extends StandardSchema | undefined = undefined,
    Event extends StandardSchema | undefined = undefined,
    const Errors extends ErrorDeclarations = Record<never, never>,
    T extends Yielded<Event> = Yielded<Event>,
  >(
    options: SubscriptionOptions<Params, Event, Errors, Scope, Claims, ParamsOf<Params>> & {
      handler(
        context: HandlerContext<ParamsOf<Params>, Auth<Claims>, Errors, Notifications>,
      ): AsyncIterable<T>;
    },
  ): Subscription<ParamsIn<Params>, EventOf<Event, T>>;
  /**
   * Declares a topic, to which `server.publish` sends events for all its subscribers on every node.
   *
   * @throws TypeError if an option is unknown
   * @example
   * const prices = rpc.topic({
   *   params: z.object({ symbol: z.string() }),
   *   key: ({ symbol }) => symbol,
   *   history: { size: 100, ttl: 60_000 },
   * });
   */
  topic<
    Params extends StandardSchema | undefined = undefined,
    Event extends StandardSchema | undefined = undefined,
    State = never,
  >(
    options: TopicOptions<
      Params,
      Event,
      Scope,
      Claims,
      ParamsOf<Params>,
      EventOf<Event, unknown>,
      State
    >,
  ): Topic<ParamsIn<Params>, EventOf<Event, unknown>, Yielded<Event>, StateOf<State>>;
}
