import { type Members, membersOf, numberIn, stringIn, stringsIn } from "./message.js";

export type Lock =
  /** For everybody. */
  | "public"
  /** For the session, as it is now. */
  | "open"
  /** Not for the session: it is expired, or lacks a scope. */
  | "locked";

export interface Parameter {
  readonly name: string;
  readonly isRequired: boolean;
  readonly schema: Members;
}

/** An error that a method declares. */
export interface DeclaredError {
  readonly code: number | undefined;
  readonly message: string;
}

export interface Method {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly scopes: readonly string[];
  readonly isPublic: boolean;
  readonly isSubscription: boolean;
  /** Every server has it, and no document lists it. */
  readonly isBuiltIn: boolean;
  readonly parameters: readonly Parameter[];
  /** The schema of all params together, where they are no plain object. */
  readonly whole: Members | undefined;
  /** The schema of its result, or of a subscription's events; undefined where nothing is said. */
  readonly result: Members | undefined;
  readonly errors: readonly DeclaredError[];
  /** `false`: the newest document has it no more; the session lost what it takes. */
  readonly isListed: boolean;
}

const builtIns: readonly Method[] = [
  builtIn("ping", "Answers pong, or its params; extends nothing", true),
  builtIn("whoami", "The session on this connection, in every state", true),
  builtIn("rpc.discover", "The OpenRPC document for these scopes", false),
];

function builtIn(name: string, summary: string, isPublic: boolean): Method {
  return {
    name,
    summary,
    description: "",
    scopes: [],
    isPublic,
    isSubscription: false,
    isBuiltIn: true,
    parameters: [],
    whole: undefined,
    result: undefined,
    errors: [],
    isListed: true,
  };
}

/**
 * Reads an OpenRPC document (`rpc.discover`). Methods that an earlier one had stay, as no longer
 * listed.
 */
export function methodsIn(document: unknown, earlier: readonly Method[]): readonly Method[] {
  const { methods } = membersOf(document);
  const listed = (Array.isArray(methods) ? methods : []).flatMap((method) =>
    methodIn(membersOf(method)),
  );
  const names = new Set([...listed, ...builtIns].map(({ name }) => name));
  const lost = earlier
    .filter(({ name }) => !names.has(name))
    .map((method) => ({ ...method, isListed: false }));
  return [...builtIns, ...listed, ...lost];
}

/**
 * Methods by what stands before the last dot in their names; the application's first, those that
 * every server has last.
 */
export function groupsOf(methods: readonly Method[]): ReadonlyMap<string, readonly Method[]> {
  const groups = new Map<string, Method[]>();
  // stable: otherwise in the order of the document
  const sorted = [...methods].sort((one, other) => rankOf(one) - rankOf(other));
  for (const method of sorted) {
    const group = groupOf(method);
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [method]);
    else members.push(method);
  }
  return groups;
}

/** The method to begin with: the application's first, else `whoami`. */
export function firstOf(methods: readonly Method[]): Method | undefined {
  return (
    methods.find((method) => rankOf(method) === 0) ?? methods.find(({ name }) => name === "whoami")
  );
}

function groupOf({ name, isBuiltIn }: Method): string {
  if (isBuiltIn) return "built in";
  return name.includes(".") ? name.slice(0, name.lastIndexOf(".")) : "methods";
}

function rankOf({ name, isBuiltIn }: Method): number {
  if (isBuiltIn) return 2;
  return name.startsWith("rpc.") ? 1 : 0;
}

export function lockOf(method: Method, isLive: boolean): Lock {
  if (method.isPublic) return "public";
  return isLive && method.isListed ? "open" : "locked";
}

function methodIn(method: Members): readonly Method[] {
  const name = stringIn(method.name);
  if (name === undefined) return [];
  const parameters = (Array.isArray(method.params) ? method.params : []).flatMap((parameter) =>
    parameterIn(membersOf(parameter)),
  );
  const [first] = parameters;
  const whole = parameters.length === 1 && first?.name === "params" ? first.schema : undefined;
  return [
    {
      name,
      summary: stringIn(method.summary) ?? "",
      description: stringIn(method.description) ?? "",
      scopes: stringsIn(method["x-scopes"]),
      isPublic: method["x-public"] === true,
      isSubscription: method["x-subscription"] !== undefined,
      isBuiltIn: false,
      parameters: whole === undefined ? parameters : [],
      whole,
      result: resultOf(method),
      errors: (Array.isArray(method.errors) ? method.errors : []).flatMap((error) =>
        errorIn(membersOf(error)),
      ),
      isListed: true,
    },
  ];
}

function resultOf(method: Members): Members | undefined {
  const { event } = membersOf(method["x-subscription"]);
  const schema = membersOf(event ?? membersOf(method.result).schema);
  return Object.keys(schema).length === 0 ? undefined : schema;
}

function errorIn({ code, message }: Members): readonly DeclaredError[] {
  const text = stringIn(message);
  return text === undefined ? [] : [{ code: numberIn(code), message: text }];
}

function parameterIn({ name, required, schema }: Members): readonly Parameter[] {
  return typeof name === "string"
    ? [{ name, isRequired: required === true, schema: membersOf(schema) }]
    : [];
}

/**
 * Params to begin with: what is required, with the schema's own default, example or first choice.
 * Undefined: none are needed.
 */
export function sampleParams({ parameters, whole }: Method): unknown {
  if (whole !== undefined) return sampleOf(whole);
  if (parameters.length === 0) return undefined;
  return Object.fromEntries(
    parameters
      .filter(({ isRequired }) => isRequired)
      .map(({ name, schema }) => [name, sampleOf(schema)]),
  );
}

function sampleOf(schema: Members): unknown {
  if (schema.default !== undefined) return schema.default;
  if (Array.isArray(schema.examples) && schema.examples.length > 0) return schema.examples[0];
  if (Array.isArray(schema.enum)) return schema.enum[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.type === "string") return "";
  if (schema.type === "number" || schema.type === "integer")
    return typeof schema.minimum === "number" ? Math.max(schema.minimum, 0) : 0;
  if (schema.type === "boolean") return false;
  if (schema.type === "array") return [];
  if (schema.type !== "object") return null;
  const required = stringsIn(schema.required);
  return Object.fromEntries(
    Object.entries(membersOf(schema.properties))
      .filter(([name]) => required.includes(name))
      .map(([name, member]) => [name, sampleOf(membersOf(member))]),
  );
}
