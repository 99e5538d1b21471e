import type { kind, RouterContract } from "../src/protocol/contract.js";
import type { WhoamiResult } from "../src/protocol/messages.js";
import type { SubscribeOptions, Subscription, WithGaps } from "./subscriptions/subscription.js";

/** A call's promise. The declared errors ride along in its type only, for `safe`. */
export type CallPromise<Result, Errors = unknown> = Promise<Result> & {
  readonly "~errors"?: Errors;
};

/** The options of a call. */
export interface CallOptions {
  /** Aborting it rejects the call at once and tells the server to stop. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds for the whole call, waiting for a connection included; `Infinity`: no limit.
   *
   * @default the client's `timeout`
   */
  readonly timeout?: number | undefined;
  /**
   * `true`: the call may run twice, so it is repeated when the connection was lost under it.
   *
   * @default whether the client's `idempotent` has it
   */
  readonly idempotent?: boolean | undefined;
}

/** An application whose type isn't known: every name may be called, with anything. */
export type Untyped = RouterContract<unknown>;

type Method<Params, Result, Errors> = (
  ...args: CallArguments<Params>
) => CallPromise<Result, Errors>;

/** `params` may be left out when the method takes none, or needs none. */
export type CallArguments<Params, Options = CallOptions> = undefined extends Params
  ? [params?: Params, options?: Options]
  : Record<never, never> extends Params
    ? [params?: Params, options?: Options]
    : [params: Params, options?: Options];

type SubscriptionMethod<Params, Event> = <const Gaps extends boolean = false>(
  ...args: CallArguments<Params, SubscribeOptions<Gaps>>
) => Subscription<WithGaps<Event, Gaps>>;

type AnyMethod = (params?: unknown, options?: CallOptions) => CallPromise<unknown>;

interface UntypedApi extends AnyMethod {
  readonly [name: string]: UntypedApi;
}

type MethodOf<Route> = Route extends {
  readonly [kind]: {
    readonly is: "method";
    readonly params: infer Params;
    readonly result: infer Result;
    readonly errors: infer Errors;
  };
}
  ? Method<Params, Result, Errors>
  : never;

type FunctionOf<Route> = Route extends {
  readonly [kind]: {
    readonly is: "subscription";
    readonly params: infer Params;
    readonly event: infer Event;
  };
}
  ? SubscriptionMethod<Params, Event>
  : MethodOf<Route>;

type ApiOf<Routes> = {
  readonly [K in keyof Routes & string]: Routes[K] extends { readonly [kind]: unknown }
    ? FunctionOf<Routes[K]>
    : ApiOf<Routes[K]>;
};

/** The routes of an application; `unknown` where its type isn't known. */
export type RoutesOf<App> = App extends RouterContract<infer Routes> ? Routes : unknown;

/**
 * The application's methods and subscriptions as functions, in the shape of its router:
 * `await api.orders.create(params, options)`,
 * `for await (const order of api.orders.watch(params))`. Where the application's type isn't known,
 * all are methods; `client.subscribe` takes any name.
 */
export type ClientApi<App> =
  unknown extends RoutesOf<App> ? Readonly<Record<string, UntypedApi>> : ApiOf<RoutesOf<App>>;

/** One less for each level of routers; empty at the eighth, where names end. */
type Levels = [1, 1, 1, 1, 1, 1, 1, 1];

/**
 * The names of one kind. The depth has a bound, so that the compiler never follows a type whose
 * routes it cannot know yet without end (TS2589 up to TypeScript 5.8).
 */
type NamesIn<Routes, Prefix extends string, Kind, Left extends unknown[] = Levels> = Left extends [
  unknown,
  ...infer Rest,
]
  ? {
      [K in keyof Routes & string]: Routes[K] extends { readonly [kind]: infer Mark }
        ? Mark extends { readonly is: Kind }
          ? `${Prefix}${K}`
          : never
        : NamesIn<Routes[K], `${Prefix}${K}.`, Kind, Rest>;
    }[keyof Routes & string]
  : never;

type NamesOf<App, Kind> = unknown extends RoutesOf<App> ? never : NamesIn<RoutesOf<App>, "", Kind>;

/** The wire names of the application's methods: `"orders.create"`. */
export type MethodName<App> = NamesOf<App, "method">;

/** The wire names of its subscriptions and topics. */
export type SubscriptionName<App> = NamesOf<App, "subscription">;

type RouteAt<Routes, Name extends string> = Name extends keyof Routes
  ? Routes[Name]
  : Name extends `${infer Head}.${infer Rest}`
    ? Head extends keyof Routes
      ? RouteAt<Routes[Head], Rest>
      : never
    : never;

/** The methods that every server has, and those of an administrator. */
export interface BuiltinMethods {
  /** Gives back the params; `"pong"` without any. */
  readonly ping: AnyMethod;
  /** Gives the state of the session. */
  readonly whoami: Method<undefined, WhoamiResult, Record<never, never>>;
  /** Ends the session; PROTOCOL.md has its params. */
  readonly logout: AnyMethod;
  /** Gives the OpenRPC document. */
  readonly "rpc.discover": Method<
    undefined,
    Readonly<Record<string, unknown>>,
    Record<never, never>
  >;
  /** Lists who is connected; PROTOCOL.md has the params and results of these. */
  readonly "rpc.sessions.list": AnyMethod;
  /** Closes connections. */
  readonly "rpc.sessions.kick": AnyMethod;
  /** Revokes tokens. */
  readonly "rpc.sessions.revoke": AnyMethod;
}

/** Any string, with the known names in an editor's suggestions. */
export type AnyName = string & Record<never, never>;

/** What `call` and `notify` take; any name where the application's type isn't known. */
export type CallName<App> =
  | keyof BuiltinMethods
  | (unknown extends RoutesOf<App> ? AnyName : MethodName<App>);

/** What `subscribe` takes; any name where the application's type isn't known. */
export type SubscribeName<App> = unknown extends RoutesOf<App> ? AnyName : SubscriptionName<App>;

/** The method of a wire name; any method where the application's type isn't known. */
export type MethodNamed<App, Name extends string> = Name extends keyof BuiltinMethods
  ? BuiltinMethods[Name]
  : unknown extends RoutesOf<App>
    ? AnyMethod
    : Name extends Name
      ? MethodOf<RouteAt<RoutesOf<App>, Name>>
      : never;

/** What a call of this name takes and gives. */
export type CallArgumentsNamed<App, Name extends string> =
  MethodNamed<App, Name> extends (...args: infer Arguments) => unknown ? Arguments : never;
export type CallResultNamed<App, Name extends string> =
  MethodNamed<App, Name> extends (...args: never) => infer Result ? Result : never;

/** The params of a call, without its options. */
export type NotifyArguments<Arguments> = Arguments extends readonly [unknown, unknown?]
  ? [params: Arguments[0]]
  : Arguments extends readonly [unknown?, unknown?]
    ? [params?: Arguments[0]]
    : never;

type FeedOf<Route> = Route extends {
  readonly [kind]: {
    readonly is: "subscription";
    readonly params: infer Params;
    readonly event: infer Event;
    readonly state: infer State;
  };
}
  ? { params: Params; event: Event; state: State }
  : never;

type FeedNamed<App, Name extends string> =
  unknown extends RoutesOf<App>
    ? { params: unknown; event: unknown; state: unknown }
    : Name extends Name
      ? FeedOf<RouteAt<RoutesOf<App>, Name>>
      : never;

/**
 * What the subscription of a wire name takes; anything where the application's type isn't known.
 */
export type SubscriptionParams<App, Name extends string> = FeedNamed<App, Name>["params"];

/** What it gives. */
export type SubscriptionEvent<App, Name extends string> = FeedNamed<App, Name>["event"];

/** The state of its snapshots; `undefined` without any. */
export type SubscriptionState<App, Name extends string> = FeedNamed<App, Name>["state"];

type WithState<App, Name extends string> = Name extends Name
  ? [SubscriptionState<App, Name>] extends [undefined]
    ? never
    : Name
  : never;

/** What `live` takes: topics with snapshots; any name where the application's type isn't known. */
export type LiveName<App> =
  unknown extends RoutesOf<App> ? AnyName : WithState<App, SubscriptionName<App>>;

/** The params of the notifications that the application declares. */
export type NotificationsOf<App> = App extends { readonly "~notifications"?: infer Declared }
  ? Declared
  : unknown;
