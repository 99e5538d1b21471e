/** What `createRpc`, `rpc.use` and `rpc.with` give to the methods that are declared by them. */
import { refuseUnknownOptions } from "../../runtime/known-options.js";
import type { ScopeRule } from "./access.js";
import type { AuthorizeRule } from "./authorize.js";
import type { ErrorDeclarations } from "./declared-error.js";

/** Options of `rpc.with`. */
export interface WithOptions<Scope, Errors, Use, Rule = AuthorizeRule> {
  /**
   * Scopes that callers of all methods need, beside those of a method's own.
   * @default none
   */
  readonly scope?: Scope;
  /**
   * A rule that all methods, subscriptions and topics ask, before one of their own. Their params must
   * have what it reads.
   * @default none
   * @example authorize: ({ auth, params }: { auth: Auth; params: { board: string } }) =>
   *   boards.hasMember(params.board, auth.subject)
   */
  readonly authorize?: Rule;
  /**
   * Errors that all methods may answer with, also from the middleware.
   * @default none
   */
  readonly errors?: Errors;
  /**
   * Middleware around all handlers, as of `rpc.use`.
   * @default none
   */
  readonly use?: Use;
}

const withOptions = { scope: true, authorize: true, errors: true, use: true } satisfies Record<
  keyof WithOptions<never, never, never>,
  true
>;

/** A middleware without its types, for the registry. */
export type AnyMiddleware = (context: never) => unknown;

/** What `createRpc`, `rpc.use` and `rpc.with` give to each method that is declared by the result. */
export interface Layers {
  /** The base of the context, or the function that makes it for each call. */
  readonly context: object | ((call: never) => unknown) | undefined;
  /** The outermost first. */
  readonly middlewares: readonly AnyMiddleware[];
  /** Rules that a caller must meet together. */
  readonly scopes: readonly ScopeRule[];
  /** Rules that must all allow a call, in the order in which they are asked. */
  readonly rules: readonly AuthorizeRule[];
  readonly errors: ErrorDeclarations;
}

export const noLayers: Layers = {
  ...{ context: undefined, middlewares: [], scopes: [], rules: [], errors: {} },
};

/** Throws `TypeError` if `middleware` is no function. */
export function withMiddleware(layers: Layers, middleware: unknown): Layers {
  if (typeof middleware !== "function")
    throw new TypeError("a middleware must be a function: async ({ next }) => next()");
  return { ...layers, middlewares: [...layers.middlewares, middleware as AnyMiddleware] };
}

/** Throws `TypeError` if an option is unknown or no use. */
export function withOptionsOf(
  layers: Layers,
  options: WithOptions<ScopeRule | undefined, ErrorDeclarations, unknown>,
): Layers {
  refuseUnknownOptions("rpc.with", options, withOptions);
  const { scope, authorize, errors = {}, use } = options;
  if (authorize !== undefined && typeof authorize !== "function")
    throw new TypeError("rpc.with: authorize must be a function of ({ auth, params, signal })");
  const joined = {
    ...layers,
    scopes: scope === undefined ? layers.scopes : [...layers.scopes, scope],
    rules: authorize === undefined ? layers.rules : [...layers.rules, authorize],
    errors: { ...layers.errors, ...errors },
  };
  return use === undefined ? joined : withMiddleware(joined, use);
}

/** All that a caller of this route needs together: by its layers, and by its own definition. */
export function scopeRulesOf(route: {
  readonly layers: Layers;
  readonly definition: { readonly scope?: ScopeRule };
}): readonly ScopeRule[] {
  const { scopes } = route.layers;
  const { scope } = route.definition;
  return scope === undefined ? scopes : [...scopes, scope];
}

/** What runs around a handler, and makes its context. */
export interface Pipeline {
  /** Makes the context of one call; undefined: `Entry.context` is all there is. */
  readonly createContext: ((call: never) => unknown) | undefined;
  readonly middlewares: readonly AnyMiddleware[];
}

const noContext: object = Object.freeze({});

/**
 * The context that is the same for each call, and what runs for each call; undefined: nothing does.
 * Throws `TypeError` for a context that is neither an object nor a function.
 */
export function pipelineOf({ context, middlewares }: Layers): {
  readonly context: object;
  readonly pipeline: Pipeline | undefined;
} {
  if (context !== undefined && (context === null || !/^(object|function)$/.test(typeof context)))
    throw new TypeError("createRpc: context must be an object, or a function that returns one");
  const createContext = typeof context === "function" ? context : undefined;
  const needsNothing = createContext === undefined && middlewares.length === 0;
  return {
    context: createContext === undefined ? (context ?? noContext) : noContext,
    pipeline: needsNothing ? undefined : { createContext: createContext as never, middlewares },
  };
}
