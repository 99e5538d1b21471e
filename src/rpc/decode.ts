/** From the text of a frame to a JSON value, with what `JSON.parse` lets through refused first. */
import type { ErrorObject } from "../protocol/error-codes.js";
import { standardError } from "../protocol/error-codes.js";
import { excessOf, type JsonBounds } from "./json-bounds.js";
import { isJsonText } from "./json-text.js";

/** `excess`: the bound that a text was over; it may well be JSON. */
export type Decoded = { readonly value: unknown } | { readonly error: ErrorObject; readonly excess?: keyof JsonBounds };

const notJson: Decoded = {
  error: standardError("parse", { hint: "one JSON value per frame, in UTF-8: names in double quotes, no line break within a string" }),
};

/** What is over which bound, for people. */
const excesses: Readonly<Record<keyof JsonBounds, (most: number) => string>> = {
  depth: (most) => `JSON nested deeper than ${most} levels: limits.depth`,
  nodes: (most) => `more than ${most} JSON values in one frame: limits.nodes`,
  keys: (most) => `more than ${most} members in one object: limits.keys`,
  stringBytes: (most) => `a string of more than ${most} bytes: limits.stringBytes`,
};

/**
 * Parses one frame of so many bytes. What is over the bounds is `Invalid Request`; members that could pollute a prototype are dropped.
 * `isSuspect`: the peer has sent what is not JSON before, so this is looked at before it is parsed. What the parser refuses costs more
 * than a good call, by the error that it throws.
 */
export function decode(text: string, bytes: number, bounds: JsonBounds, isSuspect = false): Decoded {
  const excess = excessOf(text, bytes, bounds);
  if (excess !== undefined) return { error: standardError("invalidRequest", { hint: excesses[excess](bounds[excess]) }), excess };
  if (isSuspect && !isJsonText(text)) return notJson;
  try {
    return { value: mayPollute(text) ? JSON.parse(text, withoutPollution) : JSON.parse(text) };
  } catch {
    return notJson;
  }
}

/** A cheap look for the dangerous names, also spelt with \u escapes; most frames have neither. */
function mayPollute(text: string): boolean {
  return text.includes("__proto__") || text.includes('"constructor"') || text.includes("\\u00");
}

function withoutPollution(key: string, value: unknown): unknown {
  if (key === "__proto__") return undefined;
  if (key === "constructor" && typeof value === "object" && value !== null && Object.hasOwn(value, "prototype")) return undefined;
  return value;
}
