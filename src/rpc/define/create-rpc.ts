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
import type { ErrorDeclarations, ErrorFactories } from "./declared-error.js";
import {
  Subscription,
  type SubscriptionDefinition,
  type SubscriptionOptions,
  Topic,
  type TopicDefinition,
  type TopicOptions,
} from "./declared-subscription.js";

/** How an application says what it serves: `createRpc`, and what it makes. */

/** Notification name → schema of its params. */
export type NotificationSchemas = Readonly<Record<string, StandardSchema>>;

/** What the methods of an application have in common. */
export interface RpcOptions<
  Claims,
  Scopes extends readonly string[],
  Notifications extends NotificationSchemas,
> {
  /**
   * Checked at `authenticate` and `refresh`; its output is `auth.claims`.
   * @default the claims as they are
   */
  readonly claims?: Claims;
  /**
   * All scopes there are, so that a misspelt one does not compile.
   * @default any string
   */
  readonly scopes?: Scopes;
  /**
   * What `connection.notify` may send.
   * @default nothing
   */
  readonly notifications?: Notifications;
}

/** The connection that a call came on. */
export interface ConnectionHandle<Notifications extends NotificationSchemas = NotificationSchemas> {
  /** The connection's id, as `server.kick` and `server.notify` take it. */
  readonly id: string;
  /** The peer's address, seen through trusted proxies. */
  readonly remoteAddress: string;
  /**
   * Sends a declared notification to this connection. In EXPIRED it is held and sent after a
   * refresh; in OPEN, and after the connection has closed, it goes nowhere. Throws `TypeError` when
   * the name is not declared or the params don't fit.
   */
  notify<Name extends keyof Notifications & string>(
    name: Name,
    params: SchemaInput<Notifications[Name]>,
  ): void;
  /**
   * Closes the connection with 4403 `kicked`: its client stays away until its application says
   * otherwise.
   */
  kick(): void;
}

/**
 * What a handler is given. Take what you need: `signal` and `log` are made when they are first
 * read.
 */
export interface HandlerContext<
  Params,
  AuthType,
  Errors,
  Notifications extends NotificationSchemas,
> {
  /** The params, as the schema returned them. */
  readonly params: Params;
  /**
   * The caller, also after the caller has logged out. Null only in a public method, when nobody is
   * authenticated.
   */
  readonly auth: AuthType;
  /**
   * Aborts at the deadline, on `$/cancelRequest`, and when the user logs out or the connection
   * closes. Node ends the process when a listener of a signal throws: catch what may fail there.
   */
  readonly signal: AbortSignal;
  /** The connection that the call came by. */
  readonly connection: ConnectionHandle<Notifications>;
  /** The declared errors: `throw error.NAME(data)`. */
  readonly error: ErrorFactories<Errors>;
  /** The server's logger, with the connection and the method in every line. */
  readonly log: Logger;
  /**
   * Throws if the session that admitted the call has expired, was revoked, or has ended because its
   * user logged out, whoever has logged in on the connection since. For long handlers, before a
   * privileged step.
   */
  assertLive(): void;
}

/** What `rpc.method` takes besides the handler. */
export interface MethodOptions<
  Params,
  Result,
  Errors,
  Public extends boolean,
  Scope extends string,
  Claims,
> {
  /**
   * Callable without a session.
   * @default false
   */
  readonly public?: Public;
  /** One line for `rpc.discover`. */
  readonly summary?: string;
  /** More than a line about the method, for `rpc.discover`. */
  readonly description?: string;
  /**
   * Scopes the caller needs.
   * @default none, so any authenticated caller
   */
  readonly scope?: ScopeRule<Scope>;
  /** A decision over the claims, after the scopes. Throwing is a no. */
  readonly authorize?: (auth: Auth<Claims>) => boolean;
  /**
   * Checks `params`, and gives the handler its output.
   * @default unchecked
   */
  readonly params?: Params;
  /**
   * Checks what the handler returns; a result that fails is `Internal error`.
   * @default unchecked
   */
  readonly result?: Result;
  /**
   * The errors it may answer with.
   * @default none
   */
  readonly errors?: Errors;
  /**
   * Deadline in milliseconds; `Infinity`: none.
   * @default `limits.requestTimeout`
   */
  readonly timeout?: number;
  /**
   * A client may repeat the call after a lost connection.
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
  /** Types alone: what the route is. */
  declare readonly [kind]: {
    readonly is: "method";
    readonly params: Params;
    readonly result: Result;
    readonly errors: Errors;
  };
  /** What `rpc.method` was given. */
  readonly definition: MethodDefinition;

  constructor(definition: MethodDefinition) {
    refuseUnknownOptions("rpc.method", definition, methodOptions);
    this.definition = definition;
  }
}

/** A method's options with their types forgotten: what the registry reads. */
export interface MethodDefinition
  extends MethodOptions<StandardSchema, StandardSchema, ErrorDeclarations, boolean, string, never> {
  readonly handler: (context: never) => unknown;
}

/** The application's methods, and what goes with all of them. */
export class Router<
  R,
  Notifications = unknown,
  Schemas extends NotificationSchemas = NotificationSchemas,
> implements RouterContract<R, Notifications>
{
  /** Types alone: the params of the notifications. */
  declare readonly "~notifications"?: Notifications;
  /** The type of what may be sent. */
  declare readonly "~schemas"?: Schemas;
  /** The methods, topics and routers below, by name. */
  readonly routes: R;
  /** The schema of the claims. */
  readonly claims: StandardSchema | undefined;
  /** The scopes that the application knows. */
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
 * The maker of methods, subscriptions and routers, with the application's own claims, scopes and
 * notifications in their types.
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
   *
   * @throws TypeError if a name or a route is not one
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

/** The makers of what can be subscribed to. */
interface FeedMakers<Claims, Scope extends string, Notifications extends NotificationSchemas> {
  /**
   * Declares a subscription whose events an async generator makes, one for each subscriber.
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
  >(
    options: TopicOptions<Params, Event, Scope, Claims, ParamsOf<Params>>,
  ): Topic<ParamsIn<Params>, EventOf<Event, unknown>, Yielded<Event>>;
}
