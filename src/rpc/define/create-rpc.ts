import type { Jsonified, Route, RouterContract } from "../../protocol/contract.js";
import type { SchemaInput, SchemaOutput, StandardSchema } from "../../protocol/standard-schema.js";
import { refuseUnknownOptions } from "../../runtime/known-options.js";
import type { Auth, ScopeRule } from "./access.js";
import type { AuthorizeRule } from "./authorize.js";
import type { ErrorDeclarations } from "./declared-error.js";
import { Method, type MethodDefinition, type MethodOptions } from "./declared-method.js";
import {
  type KeptHistory,
  Subscription,
  type SubscriptionDefinition,
  type SubscriptionOptions,
  Topic,
  type TopicDefinition,
  type TopicLog,
  type TopicOptions,
} from "./declared-subscription.js";
import type { HandlerContext, NoMembers } from "./handler-context.js";
import {
  type Layers,
  noLayers,
  type WithOptions,
  withMiddleware,
  withOptionsOf,
} from "./layers.js";
import type { ContextSource, Merged, Middleware } from "./middleware.js";
import type { NotificationSchemas } from "./server-actions.js";

/**
 * Declares what an application serves: `createRpc`, and the methods, topics and routers that it
 * makes.
 */

/** Options of `createRpc`, shared by all methods of an application. */
export interface RpcOptions<
  Claims,
  Scopes extends readonly string[],
  Notifications extends NotificationSchemas,
  Context = NoMembers,
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
  /**
   * The `context` of handlers and middleware: an object, or a function that makes one for each call,
   * after `authorize` and before the middleware; may be asynchronous.
   * @default an empty object
   * @example context: ({ auth }) => ({ db: databaseOf(auth?.claims.tenant) })
   */
  readonly context?:
    | Context
    | ((call: ContextSource<ClaimsOf<Claims>, Notifications>) => Context | Promise<Context>);
}

const rpcOptions = {
  ...{ claims: true, scopes: true, notifications: true, context: true },
} satisfies Record<keyof RpcOptions<never, never, never>, true>;

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
type ParamsOf<P> = P extends StandardSchema ? SchemaOutput<P> : unknown;
type Returned<R> = R extends StandardSchema ? SchemaInput<R> : unknown;
type ResultOf<R, T> = Jsonified<R extends StandardSchema ? SchemaOutput<R> : T>;
type DataOf<D> = D extends { readonly data: infer Data extends StandardSchema }
  ? Jsonified<SchemaOutput<Data>>
  : undefined;
type ErrorsOf<E> = { readonly [Name in keyof E]: DataOf<E[Name]> };
type NotificationsOf<N> = { readonly [Name in keyof N]: Jsonified<SchemaOutput<N[Name]>> };
/** What a route must have for the rules of its `rpc`: params that they can read. */
type ForRules<Params, RuleParams> =
  ParamsOf<Params> extends RuleParams
    ? unknown
    : { readonly params: StandardSchema<never, RuleParams> };
type AuthFor<Public, Claims> = Public extends true ? Auth<Claims> | null : Auth<Claims>;
/** A caller who needs a scope has a session. */
type NobodyBeside<Needed, Nobody> = [Needed] extends [undefined] ? Nobody : never;
/** `Nobody` is null where a caller may have no session, else never. */
type MayBePublic<Nobody> = [Nobody] extends [never] ? false : boolean;

/**
 * Makes methods, subscriptions, topics and routers whose types know the application's claims,
 * scopes and notifications.
 */
export interface Rpc<
  Claims,
  Scope extends string,
  Notifications extends NotificationSchemas,
  Context = NoMembers,
  Shared extends ErrorDeclarations = NoMembers,
  Nobody extends null = null,
  RuleParams = unknown,
> extends FeedMakers<Claims, Scope, Notifications, Context, Shared, RuleParams> {
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
    Public extends MayBePublic<Nobody> = false,
    T extends Returned<Result> = Returned<Result>,
  >(
    options: MethodOptions<Params, Result, Errors, Public, Scope, Claims> &
      ForRules<Params, RuleParams> & {
        handler(
          context: HandlerContext<
            ParamsOf<Params>,
            AuthFor<Public, Claims>,
            Merged<Shared, Errors>,
            Notifications,
            Context
          >,
        ): MaybePromise<T>;
      },
  ): Method<ParamsIn<Params>, ResultOf<Result, T>, ErrorsOf<Merged<Shared, Errors>>>;
  /**
   * Returns an `rpc` whose methods, subscriptions and topics run inside this middleware, after that
   * of this `rpc`. What `next` is given as `context` is added to the `context` of their handlers.
   *
   * @throws TypeError if `middleware` is no function
   * @example
   * const timed = rpc.use(async ({ next, method }) => {
   *   const startedAt = performance.now();
   *   const result = await next({ context: { startedAt } });
   *   durations.observe({ method }, performance.now() - startedAt);
   *   return result;
   * });
   */
  use<Added extends object>(
    middleware: Middleware<Auth<Claims> | Nobody, Shared, Notifications, Context, Added>,
  ): Rpc<Claims, Scope, Notifications, Merged<Context, Added>, Shared, Nobody, RuleParams>;
  /**
   * Returns an `rpc` whose methods, subscriptions and topics need these scopes too, ask this rule
   * too, may answer with these errors, and run inside this middleware.
   *
   * @throws TypeError if an option is unknown, or `authorize` or `use` is no function
   * @example
   * const admin = rpc.with({ scope: "admin" });
   * const reset = admin.method({ handler: () => counters.reset() });
   * const team = rpc.with({
   *   authorize: ({ auth, params }: { auth: Auth; params: { board: string } }) =>
   *     boards.hasMember(params.board, auth.subject),
   * });
   */
  with<
    const Needed extends ScopeRule<Scope> | undefined = undefined,
    const Errors extends ErrorDeclarations = NoMembers,
    Added extends object = NoMembers,
    Params = unknown,
  >(
    options: WithOptions<
      Needed,
      Errors,
      Middleware<
        Auth<Claims> | NobodyBeside<Needed, Nobody>,
        Merged<Shared, Errors>,
        Notifications,
        Context,
        Added
      >,
      AuthorizeRule<Auth<Claims>, Params>
    >,
  ): Rpc<
    Claims,
    Scope,
    Notifications,
    Merged<Context, Added>,
    Merged<Shared, Errors>,
    NobodyBeside<Needed, Nobody>,
    RuleParams & Params
  >;
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
  Context extends object = NoMembers,
>(options: RpcOptions<C, S, N, Context> = {}): Rpc<ClaimsOf<C>, S[number], N, Context> {
  refuseUnknownOptions("createRpc", options, rpcOptions);
  const router = (routes: RouteTree) => new Router(routes, options as never);
  return makersOf({ ...noLayers, context: options.context }, router) as never;
}

/** `rpc` without its types, which differ by what is in the layers. */
function makersOf(layers: Layers, router: (routes: RouteTree) => unknown): object {
  return {
    method: (definition: MethodDefinition) => new Method(definition, layers),
    subscription: (definition: SubscriptionDefinition) => new Subscription(definition, layers),
    topic: (definition: TopicDefinition) => new Topic(definition, layers),
    use: (middleware: unknown) => makersOf(withMiddleware(layers, middleware), router),
    with: (options: Parameters<typeof withOptionsOf>[1]) =>
      makersOf(withOptionsOf(layers, options), router),
    router,
  };
}

type Yielded<E> = E extends StandardSchema ? SchemaInput<E> : unknown;
type EventOf<E, T> = Jsonified<E extends StandardSchema ? SchemaOutput<E> : T>;
/** `undefined` without a snapshot, which is no state: as JSON it would be null. */
type StateOf<S> = [S] extends [never] ? undefined : Jsonified<S>;

/** The part of {@link Rpc} that makes subscriptions and topics. */
interface FeedMakers<
  Claims,
  Scope extends string,
  Notifications extends NotificationSchemas,
  Context,
  Shared extends ErrorDeclarations,
  RuleParams,
> {
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
    options: SubscriptionOptions<Params, Event, Errors, Scope, Claims, ParamsOf<Params>> &
      ForRules<Params, RuleParams> & {
        handler(
          context: HandlerContext<
            ParamsOf<Params>,
            Auth<Claims>,
            Merged<Shared, Errors>,
            Notifications,
            Context
          >,
        ): AsyncIterable<T>;
      },
  ): Subscription<ParamsIn<Params>, EventOf<Event, T>>;
  /**
   * Declares a topic whose history is a log of the application's own, such as a table of events.
   * `publish` needs the `offset` that the event has there.
   *
   * @throws TypeError if an option is unknown
   * @example
   * const board = rpc.topic({
   *   params: z.object({ board: z.string() }),
   *   key: ({ board }) => board,
   *   history: {
   *     async *read({ params, after }) {
   *       yield* table.eventsAfter(params.board, after); // { offset, data }
   *     },
   *     latest: ({ params }) => ({ epoch: "1", offset: table.lastOffset(params.board) }),
   *   },
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
      State,
      Yielded<Event>
    > &
      ForRules<Params, RuleParams> & {
        readonly history: TopicLog<ParamsOf<Params>, Yielded<Event>>;
      },
  ): Topic<ParamsIn<Params>, EventOf<Event, unknown>, Yielded<Event>, StateOf<State>, true>;
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
      State,
      Yielded<Event>
    > &
      ForRules<Params, RuleParams> & { readonly history?: KeptHistory },
  ): Topic<ParamsIn<Params>, EventOf<Event, unknown>, Yielded<Event>, StateOf<State>, false>;
}
