import type { SchemaIssue, SchemaResult, StandardSchema } from "../../protocol/standard-schema.js";
import { isThenable, toPromise } from "../../runtime/application-code.js";

/** One thing that is wrong with a value, as it goes to the caller. */
export interface Issue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export type Validated = { readonly value: unknown } | { readonly issues: readonly Issue[] };

const maxIssues = 20; // 10,000 would make an answer of 800 KB of params of 30 KB

/**
 * Runs a schema. Stays synchronous when the schema does; a schema that throws or rejects is the
 * caller's to catch.
 */
export function validate(schema: StandardSchema, value: unknown): Validated | Promise<Validated> {
  const result = schema["~standard"].validate(value);
  return isThenable(result) ? toPromise(result).then(validated) : validated(result);
}

/**
 * Runs the schema of params. Left-out params are tried as an empty object first, so that
 * all-optional ones may be left out.
 */
export function validateParams(
  schema: StandardSchema,
  params: unknown,
): Validated | Promise<Validated> {
  if (params !== undefined) return validate(schema, params);
  const asObject = validate(schema, {});
  return asObject instanceof Promise
    ? asObject.then((tried) => orNone(schema, tried))
    : orNone(schema, asObject);
}

function orNone(schema: StandardSchema, tried: Validated): Validated | Promise<Validated> {
  if ("value" in tried) return tried;
  const none = validate(schema, undefined);
  return none instanceof Promise
    ? none.then((result) => ("value" in result ? result : tried))
    : "value" in none
      ? none
      : tried;
}

function validated(result: SchemaResult<unknown>): Validated {
  if (result.issues !== undefined)
    return { issues: result.issues.slice(0, maxIssues).map(toIssue) };
  if (!("value" in result)) throw new TypeError("a schema gave neither a value nor issues");
  return { value: result.value };
}

function toIssue({ path = [], message }: SchemaIssue): Issue {
  return { path: path.map(pathSegment), message };
}

function pathSegment(segment: PropertyKey | { readonly key: PropertyKey }): string | number {
  const key = typeof segment === "object" ? segment.key : segment;
  return typeof key === "number" ? key : String(key);
}
