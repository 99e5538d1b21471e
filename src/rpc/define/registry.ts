import { reservedNames } from "../../protocol/messages.js";
import type { StandardSchema } from "../../protocol/standard-schema.js";
import { type AccessRule, accessRule } from "./access.js";
import { type AuthorizeRule, jointRule } from "./authorize.js";
import type { Router, RouteTree } from "./create-rpc.js";
import { DeclaredErrors, type ErrorDeclarations } from "./declared-error.js";
import { Method, type MethodDefinition } from "./declared-method.js";
import {
  Subscription,
  type SubscriptionDefinition,
  Topic,
  type TopicDefinition,
} from "./declared-subscription.js";
import { type Layers, noLayers, type Pipeline, pipelineOf, scopeRulesOf } from "./layers.js";
import { checkStepUpRule, type StepUp } from "./step-up.js";
import { type RegisteredSource, registeredSource } from "./subscription-entry.js";

interface Entry {
  readonly name: string;
  readonly access: AccessRule;
  readonly stepUp: StepUp | undefined;
  readonly authorize: AuthorizeRule | undefined;
  /** The context of handlers, as far as it is the same for each call. */
  readonly context: object;
  /** What runs around the handler, if anything does. */
  readonly pipeline: Pipeline | undefined;
  readonly params: StandardSchema | undefined;
  readonly result: StandardSchema | undefined;
  readonly errors: DeclaredErrors;
  readonly errorDeclarations: ErrorDeclarations;
  /** Milliseconds; undefined: the server's default. */
  readonly timeout: number | undefined;
  readonly idempotent: boolean;
  readonly summary: string | undefined;
  readonly description: string | undefined;
}

export interface CallEntry extends Entry {
  readonly handler: (context: never) => unknown;
  readonly feed: undefined;
}

export interface SubscriptionEntry extends Entry {
  /** As it stands in the router. */
  readonly route: object;
  readonly handler: undefined;
  readonly feed: RegisteredSource;
}

/** One method by its wire name, with everything that a call needs worked out at start-up. */
export type MethodEntry = CallEntry | SubscriptionEntry;

export type Registry = ReadonlyMap<string, MethodEntry>;

const longestName = 128;
const segment = /^[A-Za-z][\w-]*$/;

/**
 * Flattens a router to wire names (`orders.create`), beside the methods that are the server's own.
 * Throws `TypeError` for a name that is reserved, taken or not a name.
 */
export function createRegistry(
  router: Router<unknown>,
  own: readonly MethodEntry[] = [],
): Registry {
  const registry = new Map<string, MethodEntry>(own.map((entry) => [entry.name, entry]));
  addRoutes(router.routes as RouteTree, "", router.scopes, registry);
  return registry;
}

function addRoutes(
  routes: RouteTree,
  prefix: string,
  scopes: ReadonlySet<string> | undefined,
  registry: Map<string, MethodEntry>,
): void {
  for (const [key, route] of Object.entries(routes)) {
    const name = prefix + key;
    if (route instanceof Method) {
      checkName(name, registry);
      registry.set(name, callEntry(name, route, scopes));
    } else if (route instanceof Subscription || route instanceof Topic) {
      checkName(name, registry);
      registry.set(name, feedEntry(name, route, scopes));
    } else if (isPlainObject(route)) {
      addRoutes(route, `${name}.`, scopes, registry);
    } else {
      throw new TypeError(
        `route "${name}" is neither a method (rpc.method), a subscription (rpc.subscription, rpc.topic) nor an object of routes`,
      );
    }
  }
}

function isPlainObject(value: unknown): value is RouteTree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Throws `TypeError` for a notification whose name is reserved or not a name, or that has no
 * schema.
 */
export function checkNotifications(notifications: ReadonlyMap<string, StandardSchema>): void {
  for (const [name, schema] of notifications) {
    checkForm(name, "notification");
    if (!isSchema(schema))
      throw new TypeError(
        `the notification "${name}" has no Standard Schema: give z.object({…}) or the like`,
      );
  }
}

function checkName(name: string, registry: Registry): void {
  checkForm(name, "method");
  if (registry.has(name)) throw new TypeError(`two methods are named "${name}"`);
}

function checkForm(name: string, what: "method" | "notification"): void {
  if (reservedNames.has(name) || name.startsWith("rpc.") || name.startsWith("$/")) {
    throw new TypeError(`the ${what} name "${name}" is reserved; choose another`);
  }
  if (name.length > longestName || !name.split(".").every((part) => segment.test(part))) {
    throw new TypeError(
      `"${name}" is not a ${what} name: words of letters, digits, "_" and "-", joined by dots, at most ${longestName} characters`,
    );
  }
}

/** A method, and what its builder adds. */
interface DeclaredMethod {
  readonly definition: MethodDefinition;
  readonly layers: Layers;
}

/** Throws `TypeError` for a definition that can't be. */
export function callEntry(
  name: string,
  { definition, layers }: DeclaredMethod,
  scopes: ReadonlySet<string> | undefined,
): CallEntry {
  const {
    public: isPublic = false,
    stepUp,
    authorize,
    params,
    result,
    timeout,
    idempotent = false,
    handler,
  } = definition;
  if (typeof handler !== "function") throw new TypeError(`${name}: handler must be a function`);
  checkSchemas(name, { params, result });
  if (timeout !== undefined && !(timeout > 0))
    throw new TypeError(
      `${name}: timeout must be milliseconds above 0, not ${timeout}; Infinity means no deadline`,
    );
  const errors = { ...layers.errors, ...definition.errors };
  const rules = scopeRulesOf({ definition, layers });
  return {
    ...{ name, params, result, timeout, idempotent, handler, feed: undefined },
    ...pipelineOf(layers),
    access: createAccess(name, () => accessRule(isPublic, rules, scopes)),
    stepUp: checkStepUpRule(name, stepUp, isPublic),
    authorize: authorizeRule(name, layers, authorize, isPublic),
    errors: new DeclaredErrors(errors, name),
    errorDeclarations: errors,
    summary: definition.summary,
    description: definition.description,
  };
}

function feedEntry(
  name: string,
  route: Subscription<unknown, unknown> | Topic<unknown, unknown>,
  scopes: ReadonlySet<string> | undefined,
): SubscriptionEntry {
  const definition: SubscriptionDefinition | TopicDefinition = route.definition;
  const { layers } = route;
  const { params, event } = definition;
  const errors = { ...layers.errors, ...("errors" in definition ? definition.errors : {}) };
  const rules = scopeRulesOf({ definition, layers });
  const authorize = authorizeRule(name, layers, definition.authorize);
  if (definition.reauthorize !== undefined && authorize === undefined)
    throw new TypeError(`${name}: reauthorize asks authorize again, which is missing`);
  // a topic has no handler that a context could be for
  const isNeeded = route instanceof Subscription || layers.middlewares.length > 0;
  checkSchemas(name, { params, event });
  return {
    ...{
      name,
      route,
      params,
      result: undefined,
      timeout: undefined,
      idempotent: true,
      handler: undefined,
    },
    feed: registeredSource(name, route),
    ...pipelineOf(isNeeded ? layers : noLayers),
    access: createAccess(name, () => accessRule(false, rules, scopes)),
    stepUp: undefined,
    authorize,
    errors: new DeclaredErrors(errors, name),
    errorDeclarations: errors,
    summary: definition.summary,
    description: definition.description,
  };
}

function checkSchemas(
  name: string,
  schemas: Readonly<Record<string, StandardSchema | undefined>>,
): void {
  for (const [option, schema] of Object.entries(schemas)) {
    if (schema !== undefined && !isSchema(schema))
      throw new TypeError(
        `${name}: ${option} is no Standard Schema: give z.object({…}) or the like, or leave it out`,
      );
  }
}

/** What a caller must meet beside scopes: the rules of the layers, and the route's own. */
function authorizeRule(
  name: string,
  { rules }: Layers,
  own: unknown,
  isPublic = false,
): AuthorizeRule | undefined {
  if (own !== undefined && typeof own !== "function")
    throw new TypeError(`${name}: authorize must be a function of ({ auth, params, signal })`);
  const rule = jointRule(own === undefined ? rules : [...rules, own as AuthorizeRule]);
  if (rule !== undefined && isPublic)
    throw new TypeError(`${name}: a public method can't have authorize`);
  return rule;
}

function createAccess(name: string, create: () => AccessRule): AccessRule {
  try {
    return create();
  } catch (error) {
    throw new TypeError(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function isSchema(value: unknown): boolean {
  return (
    typeof (value as Partial<StandardSchema> | null | undefined)?.["~standard"]?.validate ===
    "function"
  );
}
