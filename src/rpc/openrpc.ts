/** The OpenRPC document that `rpc.discover` answers with. */
import type { StandardSchema } from "../protocol/standard-schema.js";
import { type Auth, forbiddance } from "./access.js";
import type { MethodEntry, Registry } from "./registry.js";

export interface OpenRpcInfo {
  readonly title: string;
  readonly version: string;
}

/** Lists what `auth` may call, in OpenRPC 1.3.2; with null, what is public. */
export function openRpcDocument(registry: Registry, info: OpenRpcInfo, auth: Auth | null): object {
  const allowed = [...registry.values()].filter((entry) => forbiddance(entry.access, auth) === null);
  return { openrpc: "1.3.2", info, methods: allowed.map(methodObject) };
}

function methodObject(entry: MethodEntry): object {
  const { name, summary, description, access, params, result, errorDeclarations } = entry;
  const scopes = [...access.allOf, ...access.anyOf];
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
    result: { name: "result", schema: jsonSchemaOf(result, "output") },
    ...(errors.length === 0 ? {} : { errors }),
    ...(scopes.length === 0 ? {} : { "x-scopes": scopes }),
    ...(access.public ? { "x-public": true } : {}),
    ...(entry.idempotent ? { "x-idempotent": true } : {}),
  };
}

/** One content descriptor for each member of the params object; one for all of them when the schema is no plain object. */
function paramObjects(schema: StandardSchema): object[] {
  const json = jsonSchemaOf(schema, "input");
  const { properties, required } = json as { properties?: unknown; required?: unknown };
  if (typeof properties !== "object" || properties === null) return [{ name: "params", required: true, schema: json }];
  const needed = Array.isArray(required) ? required : [];
  return Object.entries(properties).map(([name, member]) => ({ name, required: needed.includes(name), schema: member }));
}

interface JsonSchemaMaker {
  readonly input: (options: { readonly target: string }) => unknown;
  readonly output: (options: { readonly target: string }) => unknown;
}

/** The schema as JSON Schema draft 7, where its library can tell (Standard JSON Schema); else the schema that allows everything. */
function jsonSchemaOf(schema: StandardSchema | undefined, side: "input" | "output"): object {
  const maker = (schema?.["~standard"] as { readonly jsonSchema?: JsonSchemaMaker } | undefined)?.jsonSchema;
  if (maker === undefined) return {};
  try {
    const json = maker[side]({ target: "draft-07" });
    return typeof json === "object" && json !== null ? json : {};
  } catch {
    return {}; // a schema that JSON Schema has no words for
  }
}
