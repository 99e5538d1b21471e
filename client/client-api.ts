import type { kind, RouterContract } from "../src/protocol/contract.js";
import type { SubscribeOptions, Subscription, WithGaps } from "./subscriptions/subscription.js";

/** A call's promise. The declared errors ride along in its type only, for `safe`. */
export type CallPromise<Result, Errors = unknown> = Promise<Result> & {
  readonly "~errors"?: Errors;
};

export interface CallOptions {
  /** Aborting it rejects the call at once and tells the server to stop. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds for the whole call, waiting for a connection included; 0: no limit. Default: the
   * client's `timeout`.
   */
  readonly timeout?: number | undefined;
  /**
   * `true`: the call may run twice, so it is repeated when the connection was lost under it.
   * Default: whether the client's `idempotent` has it.
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

interface UntypedApi {
  (
    params?: unknown,
    options?: CallOptions & SubscribeOptions,
  ): CallPromise<unknown> & Subscription<unknown>;
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

type RoutesOf<App> = App extends RouterContract<infer Routes> ? Routes : unknown;

/**
 * The application's methods as functions, in the shape of its router:
 * `api.orders.create(params, options)`.
 */
export type ClientApi<App> =
  unknown extends RoutesOf<App> ? Readonly<Record<string, UntypedApi>> : ApiOf<RoutesOf<App>>;

type NamesIn<Routes, Prefix extends string, Kind> = {
  [K in keyof Routes & string]: Routes[K] extends { readonly [kind]: infer Mark }
    ? Mark extends { readonly is: Kind }
      ? `${Prefix}${K}`
      : never
    : NamesIn<Routes[K], `${Prefix}${K}.`, Kind>;
}[keyof Routes & string];

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

/**
 * The method of a wire name; of a name that the application's type doesn't have, a method of
 * anything.
 */
export type MethodNamed<App, Name extends string> =
  Name extends MethodName<App>
    ? MethodOf<RouteAt<RoutesOf<App>, Name>>
    : (params?: unknown, options?: CallOptions) => CallPromise<unknown>;

/**
 * What the subscription of a wire name takes; of a name that the application's type doesn't have,
 * anything.
 */
export type SubscriptionParams<App, Name extends string> =
  Name extends SubscriptionName<App>
    ? RouteAt<RoutesOf<App>, Name> extends { readonly [kind]: { readonly params: infer Params } }
      ? Params
      : never
    : unknown;

/** What it gives. */
export type SubscriptionEvent<App, Name extends string> =
  Name extends SubscriptionName<App>
    ? RouteAt<RoutesOf<App>, Name> extends { readonly [kind]: { readonly event: infer Event } }
      ? Event
      : never
    : unknown;

/** The params of the notifications that the application declares. */
export type NotificationsOf<App> = App extends { readonly "~notifications"?: infer Declared }
  ? Declared
  : unknown;
