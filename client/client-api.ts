import type { kind, RouterContract } from "../src/protocol/contract.js";

/** A call's promise. The declared errors ride along in its type only, for `safe`. */
export type CallPromise<Result, Errors = unknown> = Promise<Result> & { readonly "~errors"?: Errors };

export interface CallOptions {
  /** Aborting it rejects the call at once and tells the server to stop. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call, waiting for a connection included; 0: no limit. Default: the client's `timeout`. */
  readonly timeout?: number | undefined;
  /** `true`: the call may run twice, so it is repeated when the connection was lost under it. Default: whether the client's `idempotent` has it. */
  readonly idempotent?: boolean | undefined;
}

/** An application whose type isn't known: every name may be called, with anything. */
export type Untyped = RouterContract<unknown>;

type Method<Params, Result, Errors> = (...args: CallArguments<Params>) => CallPromise<Result, Errors>;

/** `params` may be left out when the method takes none, or needs none. */
export type CallArguments<Params> = undefined extends Params
  ? [params?: Params, options?: CallOptions]
  : Record<never, never> extends Params
    ? [params?: Params, options?: CallOptions]
    : [params: Params, options?: CallOptions];

interface UntypedApi {
  (params?: unknown, options?: CallOptions): CallPromise<unknown>;
  readonly [name: string]: UntypedApi;
}

type MethodOf<Route> = Route extends {
  readonly [kind]: { readonly is: "method"; readonly params: infer Params; readonly result: infer Result; readonly errors: infer Errors };
}
  ? Method<Params, Result, Errors>
  : never;

type ApiOf<Routes> = {
  readonly [K in keyof Routes & string as Routes[K] extends { readonly [kind]: { readonly is: infer Is } }
    ? Is extends "method"
      ? K
      : never
    : K]: Routes[K] extends { readonly [kind]: unknown } ? MethodOf<Routes[K]> : ApiOf<Routes[K]>;
};

type RoutesOf<App> = App extends RouterContract<infer Routes> ? Routes : unknown;

/** The application's methods as functions, in the shape of its router: `api.orders.create(params, options)`. */
export type ClientApi<App> = unknown extends RoutesOf<App> ? Readonly<Record<string, UntypedApi>> : ApiOf<RoutesOf<App>>;

type NamesIn<Routes, Prefix extends string> = {
  [K in keyof Routes & string]: Routes[K] extends { readonly [kind]: infer Mark }
    ? Mark extends { readonly is: "method" }
      ? `${Prefix}${K}`
      : never
    : NamesIn<Routes[K], `${Prefix}${K}.`>;
}[keyof Routes & string];

/** The wire names of the application's methods: `"orders.create"`. */
export type MethodName<App> = unknown extends RoutesOf<App> ? never : NamesIn<RoutesOf<App>, "">;

type RouteAt<Routes, Name extends string> = Name extends keyof Routes
  ? Routes[Name]
  : Name extends `${infer Head}.${infer Rest}`
    ? Head extends keyof Routes
      ? RouteAt<Routes[Head], Rest>
      : never
    : never;

/** The method of a wire name; of a name that the application's type doesn't have, a method of anything. */
export type MethodNamed<App, Name extends string> =
  Name extends MethodName<App> ? MethodOf<RouteAt<RoutesOf<App>, Name>> : (params?: unknown, options?: CallOptions) => CallPromise<unknown>;

/** The params of the notifications that the application declares. */
export type NotificationsOf<App> = App extends { readonly "~notifications"?: infer Declared } ? Declared : unknown;
