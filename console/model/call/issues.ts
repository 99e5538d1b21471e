import { membersOf, ownMember, stringIn } from "../message.js";
import type { Method, Parameter } from "../open-rpc.js";
import type { Outcome } from "../outcome.js";

export interface Issue {
  /** Names of members and indices of elements, from the params down. */
  readonly path: readonly string[];
  readonly message: string;
}
export type Issues = readonly Issue[];

export const noIssues: Issues = [];

/** The issues of `data.issues`, which the server sends with invalid params (-32602). */
export function issuesIn(outcome: Outcome): Issues {
  if (outcome.is !== "error") return noIssues;
  const { issues } = membersOf(outcome.data);
  if (!Array.isArray(issues)) return noIssues;
  return issues.map(membersOf).flatMap(({ path, message }) => {
    const text = stringIn(message);
    return text === undefined
      ? []
      : [{ path: Array.isArray(path) ? path.map(String) : [], message: text }];
  });
}

/** The issues below a path, with what is left of their paths; those of the path itself come first. */
export function issuesAt(issues: Issues, name: string): Issues {
  return issues
    .filter(({ path }) => path[0] === name)
    .map(({ path, message }) => ({ path: path.slice(1), message }))
    .sort((one, other) => one.path.length - other.path.length);
}

/** One sentence for a field; `undefined` without an issue. */
export function textOfIssues(issues: Issues): string | undefined {
  if (issues.length === 0) return undefined;
  return issues
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`))
    .join("; ");
}

/** Required params of the form without a value. */
export function missingIn({ parameters }: Method, params: unknown): Issues {
  if (Array.isArray(params)) return noIssues;
  const members = membersOf(params);
  return parameters
    .filter((parameter) => isMissing(parameter, ownMember(members, parameter.name)))
    .map(({ name }) => ({ path: [name], message: "Required" }));
}

function isMissing({ isRequired, schema }: Parameter, value: unknown): boolean {
  if (!isRequired) return false;
  if (value === undefined) return schema.default === undefined;
  if (value !== "") return false;
  return schema.type === "string" && !(Array.isArray(schema.enum) && schema.enum.includes(""));
}
