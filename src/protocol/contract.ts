/**
 * What a server's type tells its client: each method's params, result and errors, as they are in
 * JSON. Types alone; nothing here exists at run time but the name of the mark.
 */

/**
 * Marks what a router may hold. Routes are constrained by the mark alone, so that no `any` flows
 * back into their types.
 */
export declare const kind: unique symbol;

/** Anything that may stand in a router. */
export interface Route {
  readonly [kind]: unknown;
}

/** The type of a method as its callers see it. `Params` is `undefined` when it takes none. */
export interface MethodContract<Params, Result, Errors> extends Route {
  readonly [kind]: {
    readonly is: "method";
    readonly params: Params;
    readonly result: Result;
    readonly errors: Errors;
  };
}

/**
 * The type of a subscription, or of a topic, as its callers see it. `Params` is `undefined` when it
 * takes none; `State`, the type of its snapshots, when it makes none.
 */
export interface SubscriptionContract<Params, Event, State = undefined> extends Route {
  readonly [kind]: {
    readonly is: "subscription";
    readonly params: Params;
    readonly event: Event;
    readonly state: State;
  };
}

export interface Routes {
  readonly [name: string]: Route | Routes;
}

/** An application: its methods, and the params of the notifications that it may send. */
export interface RouterContract<R, Notifications = unknown> {
  readonly routes: R;
  readonly "~notifications"?: Notifications;
}

/** Declared errors: name → data. */
export type ErrorMap = Readonly<Record<string, unknown>>;

type Primitive = string | number | boolean | null;

/**
 * What is left of `T` after a trip through JSON: `Date` is `string`, `void` is `null`, functions
 * and symbols go.
 */
export type Jsonified<T> = unknown extends T
  ? T
  : T extends Primitive
    ? T
    : T extends void
      ? null
      : T extends { toJSON(...args: never[]): infer R }
        ? Jsonified<R>
        : T extends bigint | symbol | ((...args: never[]) => unknown)
          ? never
          : T extends ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>
            ? Record<string, never>
            : T extends readonly unknown[]
              ? { [K in keyof T]: Jsonified<T[K]> }
              : T extends object
                ? { [K in keyof T as Kept<K, T[K]>]: JsonifiedMember<T[K]> }
                : never;

type Kept<K, V> = K extends string | number
  ? [Exclude<V, undefined>] extends [symbol | ((...args: never[]) => unknown)]
    ? never
    : K
  : never;

/** `undefined` in an object's member means that the member may be missing; it is no `null`. */
type JsonifiedMember<V> = V extends undefined ? undefined : Jsonified<V>;
