import type { SchemaIssue, StandardSchema } from "../../protocol/standard-schema.js";

/** A member of params: what it must be, in JSON Schema's words. */
export interface MemberRule {
  readonly type: "string" | "number" | "integer";
  readonly description: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/**
 * Schema of an object whose members are all optional, and of no other kind; `complaint` judges them
 * together. The package itself depends on no schema library.
 */
export function objectSchema<Output>(
  members: Readonly<Record<string, MemberRule>>,
  complaint: (value: Output) => string | undefined = () => undefined,
): StandardSchema<unknown, Output> {
  const rules = new Map(Object.entries(members));
  const json = { type: "object", properties: members, additionalProperties: false };
  const standard = {
    version: 1 as const,
    vendor: "jotwire",
    validate(value: unknown) {
      const issues = issuesOf(value, rules);
      if (issues.length > 0) return { issues };
      const message = complaint(value as Output);
      return message === undefined
        ? { value: value as Output }
        : { issues: [{ message, path: [] }] };
    },
    jsonSchema: { input: () => json, output: () => json }, // for rpc.discover
  };
  return { "~standard": standard };
}

function issuesOf(value: unknown, rules: ReadonlyMap<string, MemberRule>): SchemaIssue[] {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return [{ message: "must be an object", path: [] }];
  return Object.entries(value).flatMap(([name, member]) => {
    const rule = rules.get(name);
    const message =
      rule === undefined
        ? `is not known; known are ${[...rules.keys()].join(", ")}`
        : memberComplaint(member, rule);
    return message === undefined ? [] : [{ message, path: [name] }];
  });
}

function memberComplaint(
  value: unknown,
  { type, minimum, maximum }: MemberRule,
): string | undefined {
  if (type === "string")
    return typeof value === "string" && value !== ""
      ? undefined
      : "must be a string that is not empty";
  const isNumber = typeof value === "number" && (type === "number" || Number.isInteger(value));
  if (isNumber && value >= (minimum ?? value) && value <= (maximum ?? value)) return undefined;
  const kind = type === "integer" ? "a whole number" : "a number";
  return `must be ${kind}${minimum === undefined ? "" : ` from ${minimum}`}${maximum === undefined ? "" : ` to ${maximum}`}`;
}
