import { reservedNames } from "../protocol/messages.js";
import type { StandardSchema } from "../protocol/standard-schema.js";
import { type AccessRule, type Auth, accessRule } from "./access.js";
import { DeclaredErrors, type ErrorDeclarations } from "./declared-error.js";
import { Method, type MethodDefinition, type Router, type RouteTree } from "./define.js";

/** One method by its wire name, with everything that a call needs worked out at start-up. */
export interface MethodEntry {
  readonly name: string;
  readonly access: AccessRule;
  readonly params: StandardSchema | undefined;
  readonly result: StandardSchema | undefined;
  readonly errors: DeclaredErrors;
  readonly errorDeclarations: ErrorDeclarations;
  /** Milliseconds, 0 = none; undefined: the server's default. */
  readonly timeout: number | undefined;
  readonly idempotent: boolean;
  readonly summary: string | undefined;
  readonly description: string | undefined;
  readonly handler: (context: never) => unknown;
}

export type Registry = ReadonlyMap<string, MethodEntry>;

const longestName = 128;
const segment = /^[A-Za-z][\w-]*$/;

/**
 * Flattens a router to wire names (`orders.create`), beside the methods that are the server's own. Throws `TypeError` for a name that
 * is reserved, taken or not a name.
 */
export function createRegistry(router: Router<unknown>, own: readonly MethodEntry[] = []): Registry {
  const registry = new Map<string, MethodEntry>(own.map((entry) => [entry.name, entry]));
  addRoutes(router.routes as RouteTree, "", router.scopes, registry);
  return registry;
}

function addRoutes(routes: RouteTree, prefix: string, scopes: ReadonlySet<string> | undefined, registry: Map<string, MethodEntry>): void {
  for (const [key, route] of Object.entries(routes)) {
    const name = prefix + key;
    if (route instanceof Method) {
      checkName(name, registry);
      registry.set(name, createEntry(name, route.definition, scopes));
    } else if (isPlainObject(route)) {
      addRoutes(route, `${name}.`, scopes, registry);
    } else {
      throw new TypeError(`route "${name}" is neither a method (rpc.method) nor an object of routes`);
    }
  }
}

function isPlainObject(value: unknown): value is RouteTree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Throws `TypeError` for a notification whose name is reserved or not a name, or that has no schema. */
export function checkNotifications(notifications: ReadonlyMap<string, StandardSchema>): void {
  for (const [name, schema] of notifications) {
    checkForm(name, "notification");
    if (!isSchema(schema)) throw new TypeError(`the notification "${name}" has no Standard Schema: give z.object({…}) or the like`);
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

/** Throws `TypeError` for a definition that can't be. */
export function createEntry(name: string, definition: MethodDefinition, scopes: ReadonlySet<string> | undefined): MethodEntry {
  const {
    public: isPublic = false,
    scope,
    authorize,
    params,
    result,
    errors = {},
    timeout,
    idempotent = false,
    summary,
    description,
    handler,
  } = definition;
  if (typeof handler !== "function") throw new TypeError(`${name}: handler must be a function`);
  for (const [option, schema] of Object.entries({ params, result })) {
    if (schema !== undefined && !isSchema(schema))
      throw new TypeError(`${name}: ${option} is no Standard Schema: give z.object({…}) or the like, or leave it out`);
  }
  if (timeout !== undefined && !(timeout >= 0)) throw new TypeError(`${name}: timeout must be milliseconds, or 0 for none`);
  return {
    name,
    access: createAccess(name, () => accessRule(isPublic, scope, authorize as ((auth: Auth) => boolean) | undefined, scopes)),
    params,
    result,
    errors: new DeclaredErrors(errors, name),
    errorDeclarations: errors,
    timeout,
    idempotent,
    summary,
    description,
    handler,
  };
}

function createAccess(name: string, create: () => AccessRule): AccessRule {
  try {
    return create();
  } catch (error) {
    throw new TypeError(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function isSchema(value: object): boolean {
  return typeof (value as Partial<StandardSchema>)["~standard"]?.validate === "function";
}
