import type { kind, MethodContract } from "../../protocol/contract.js";
import type { SchemaOutput, StandardSchema } from "../../protocol/standard-schema.js";
import { refuseUnknownOptions } from "../../runtime/known-options.js";
import type { Auth, ScopeRule } from "./access.js";
import type { AuthorizeRule } from "./authorize.js";
import type { ErrorDeclarations } from "./declared-error.js";
import { type Layers, noLayers } from "./layers.js";
import type { StepUp } from "./step-up.js";

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
  readonly authorize?: AuthorizeRule<Auth<Claims>, ParamsOf<Params>>;
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
   * Says in `rpc.discover` that a client may repeat the call after a lost connection. The SDK
   * repeats the methods that its own option `idempotent` names.
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
  /** What `createRpc`, `rpc.use` and `rpc.with` add to it. */
  readonly layers: Layers;

  constructor(definition: MethodDefinition, layers: Layers = noLayers) {
    refuseUnknownOptions("rpc.method", definition, methodOptions);
    this.definition = definition;
    this.layers = layers;
  }
}

/** The options of a method without their type parameters, for the registry. */
export interface MethodDefinition
  extends MethodOptions<StandardSchema, StandardSchema, ErrorDeclarations, boolean, string, never> {
  readonly handler: (context: never) => unknown;
}

type ParamsOf<P> = P extends StandardSchema ? SchemaOutput<P> : unknown;
