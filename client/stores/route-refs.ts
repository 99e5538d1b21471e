import type { kind, MethodContract, SubscriptionContract } from "../../src/protocol/contract.js";
import type { RoutesOf } from "../client-api.js";

/** One route of an application, named by a function such as `(api) => api.orders.list`. */
export interface RouteRef<Kind> {
  /** For types only. */
  readonly "~route"?: Kind;
}

/** What `createRpc` has declared of a method, as a type. */
export type MethodKind<Params, Result, Errors> = MethodContract<
  Params,
  Result,
  Errors
>[typeof kind];

/** What `createRpc` has declared of a subscription or a topic, as a type. */
export type SubscriptionKind<Params, Event, State> = SubscriptionContract<
  Params,
  Event,
  State
>[typeof kind];

type RefsIn<Routes> = {
  readonly [K in keyof Routes & string]: Routes[K] extends { readonly [kind]: infer Kind }
    ? RouteRef<Kind>
    : RefsIn<Routes[K]>;
};

interface UntypedMembers {
  readonly [name: string]: UntypedRef;
}

/** May be a method or a subscription, of anything. */
type UntypedRef = RouteRef<never> & UntypedMembers;

/** The routes of an application, in the shape of its router. */
export type RouteRefs<App> = unknown extends RoutesOf<App> ? UntypedMembers : RefsIn<RoutesOf<App>>;

const names = new WeakMap<object, string>();

function refAt(path: string): object {
  const members = new Map<string, object>();
  const ref = new Proxy(Object.create(null) as object, {
    get(_target, name) {
      if (typeof name === "symbol") return undefined;
      const member = members.get(name) ?? refAt(path === "" ? name : `${path}.${name}`);
      members.set(name, member);
      return member;
    },
  });
  names.set(ref, path);
  return ref;
}

const root = refAt("");

/**
 * The wire name of the route that `select` names: `orders.list` for `(api) => api.orders.list`.
 * Throws `TypeError` if it names none.
 */
export function routeName<App>(select: (api: RouteRefs<App>) => unknown): string {
  const name = names.get(Object(select(root as RouteRefs<App>)));
  if (name) return name;
  throw new TypeError("the first argument must name a route: (api) => api.orders.list");
}
