/** The OpenRPC document that `rpc.discover` answers with. */
import type { StandardSchema } from "../../protocol/standard-schema.js";
import { mustBeSynchronous } from "../../runtime/application-code.js";
import { type Auth, checkAccess, scopesNamedBy } from "./access.js";
import type { MethodEntry, Registry } from "./registry.js";
import { stepUpData } from "./step-up.js";
import type { RegisteredSource } from "./subscription-entry.js";

export interface OpenRpcInfo {
  /**
   * The name of the application.
   * @default `jotwire application`
   */
  readonly title?: string;
  /**
   * The version of the application.
   * @default `0.0.0`
   */
  readonly version?: string;
}

const maxDocuments = 32;

/**
 * OpenRPC 1.3.2 documents of one registry, as JSON. JSON Schemas are made once, and a document once
 * for each set of visible methods.
 */
export class OpenRpc {
  readonly #registry: Registry;
  readonly #info: Required<OpenRpcInfo>;
  #methods: readonly (readonly [MethodEntry, object])[] | undefined;
  /** By the methods that are listed; the document that was used last comes last. */
  readonly #documents = new Map<string, string>();

  constructor(
    registry: Registry,
    { title = "jotwire application", version = "0.0.0" }: OpenRpcInfo = {},
  ) {
    this.#registry = registry;
    this.#info = { title, version };
  }

  /** Lists what `auth` may call; with null, what is public. */
  for(auth: Auth | null): string {
    this.#methods ??= [...this.#registry.values()].map((entry) => [entry, methodObject(entry)]);
    const isVisible = this.#methods.map(([{ access }]) => checkAccess(access, auth) === null);
    const key = isVisible.map(Number).join("");
    const document =
      this.#documents.get(key) ?? this.#make(this.#methods.filter((_, index) => isVisible[index]));
    this.#documents.delete(key);
    this.#documents.set(key, document);
    if (this.#documents.size > maxDocuments)
      this.#documents.delete(this.#documents.keys().next().value as string);
    return document;
  }

  #make(methods: readonly (readonly [MethodEntry, object])[]): string {
    return JSON.stringify({
      openrpc: "1.3.2",
      info: this.#info,
      methods: methods.map(([, method]) => method),
    });
  }
}

function methodObject(entry: MethodEntry): object {
  const { name, summary, description, access, stepUp, params, result, errorDeclarations } = entry;
  const scopes = scopesNamedBy(access);
  const errors = Object.entries(errorDeclarations).map(([error, { code, message }]) => ({
    code,
    message: message === undefined ? error : `${error}: ${message}`,
  }));
  return {
    name,
    ...(summary === undefined ? {} : { summary }),
    ...(description === undefined ? {} : { description }),
    paramStructure: "by-name",
    params: params === undefined ? [] : paramObjects(params),
    result: {
      name: "result",
      schema: entry.feed === undefined ? jsonSchemaOf(result, "output") : subscribeResult,
    },
    ...(errors.length === 0 ? {} : { errors }),
    ...(scopes.length === 0 ? {} : { "x-scopes": scopes }),
    ...(stepUp === undefined ? {} : { "x-step-up": stepUpData(stepUp) }),
    ...(access.public ? { "x-public": true } : {}),
    ...(entry.idempotent ? { "x-idempotent": true } : {}),
    ...(entry.feed === undefined ? {} : { "x-subscription": subscriptionObject(entry.feed) }),
  };
}

const subscribeResult = {
  type: "object",
  properties: {
    subscription: { type: "string" },
    epoch: { type: "string" },
    offset: { type: "integer" },
    recovered: { type: "boolean" },
    snapshot: {},
  },
  required: ["subscription"],
};

/**
 * `event`: the JSON Schema of `data` in `subscription.event`. `history`: may the call have
 * `$since`? `snapshot`: does its answer carry the state?
 */
function subscriptionObject(feed: RegisteredSource): object {
  return {
    event: jsonSchemaOf(feed.event, "output"),
    history: feed.is === "topic" && feed.history !== undefined,
    snapshot: feed.is === "topic" && feed.snapshot !== undefined,
  };
}

/**
 * One content descriptor for each member of the params object; one for all of them when the schema
 * is no plain object.
 */
function paramObjects(schema: StandardSchema): object[] {
  const json = jsonSchemaOf(schema, "input");
  const { properties, required } = json as { properties?: unknown; required?: unknown };
  if (typeof properties !== "object" || properties === null)
    return [{ name: "params", required: true, schema: json }];
  const needed = Array.isArray(required) ? required : [];
  return Object.entries(properties).map(([name, member]) => ({
    name,
    required: needed.includes(name),
    schema: member,
  }));
}

interface JsonSchemaMaker {
  readonly input: (options: { readonly target: string }) => unknown;
  readonly output: (options: { readonly target: string }) => unknown;
}

/**
 * The schema as JSON Schema draft 7, where its library can tell (Standard JSON Schema); else the
 * schema that allows everything.
 */
function jsonSchemaOf(schema: StandardSchema | undefined, side: "input" | "output"): object {
  const maker = (schema?.["~standard"] as { readonly jsonSchema?: JsonSchemaMaker } | undefined)
    ?.jsonSchema;
  if (maker === undefined) return {};
  try {
    const json = mustBeSynchronous(maker[side]({ target: "draft-07" }), "jsonSchema");
    return typeof json === "object" && json !== null ? json : {};
  } catch {
    return {}; // a schema that JSON Schema has no words for
  }
}
