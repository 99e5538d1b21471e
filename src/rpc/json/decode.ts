/** Parses the text of a frame as JSON, within bounds that `JSON.parse` does not have. */
import type { ErrorObject } from "../../protocol/error-codes.js";
import { standardError } from "../../protocol/error-codes.js";
import { markInexactIds } from "./exact-ids.js";
import { excessOf, type JsonBounds } from "./json-bounds.js";
import { isJsonText } from "./json-text.js";

/** `excess` is the bound that a text exceeds; the text may be valid JSON. */
export type Decoded =
  | { readonly value: unknown }
  | { readonly error: ErrorObject; readonly excess?: keyof JsonBounds };

const notJson: Decoded = {
  error: standardError("parse", {
    hint: "send one JSON value per frame, in UTF-8: names in double quotes, no line break within a string",
  }),
};

/** Hint for each exceeded bound. */
const excesses: Readonly<Record<keyof JsonBounds, (max: number) => string>> = {
  jsonDepth: (max) => `JSON nested deeper than ${max} levels: limits.jsonDepth`,
  jsonValues: (max) => `more than ${max} JSON values in one frame: limits.jsonValues`,
  objectMembers: (max) => `more than ${max} members in one object: limits.objectMembers`,
  stringBytes: (max) => `a string of more than ${max} bytes: limits.stringBytes`,
};

/**
 * Parses one frame of `bytes` bytes. Returns `Invalid Request` for a text over the bounds, and
 * removes members that could pollute a prototype. `isSuspect` means that the peer has sent invalid
 * JSON before: then a scan precedes the parser, whose `SyntaxError` costs more than a valid call.
 */
export function decode(
  text: string,
  bytes: number,
  bounds: JsonBounds,
  isSuspect = false,
): Decoded {
  const excess = excessOf(text, bytes, bounds);
  if (excess !== undefined)
    return {
      error: standardError("invalidRequest", { hint: excesses[excess](bounds[excess]) }),
      excess,
    };
  if (isSuspect && !isJsonText(text)) return notJson;
  try {
    const value: unknown = JSON.parse(text);
    markInexactIds(value, text);
    return { value: mayPollute(text) ? withoutPollution(value) : value };
  } catch {
    return notJson;
  }
}

/** A cheap test for the dangerous names. Most frames have neither these nor an escape. */
function mayPollute(text: string): boolean {
  return (
    text.includes("__proto__") ||
    text.includes('"constructor"') ||
    (text.includes("\\u00") && escapedNames.test(text))
  );
}

/**
 * `"__proto__":` or `"constructor":`, each letter plain or as its escape; no letter of them has
 * another escape (RFC 8259 §7). One pass over the text: a reviver costs nine times a plain parse.
 */
const escapedNames = new RegExp(
  `"(?:${spellings("__proto__")}|${spellings("constructor")})"[ \\t\\r\\n]*:`,
);

function spellings(name: string): string {
  return [...name]
    .map((letter) => `(?:${letter}|\\\\u00${anyCase(letter.charCodeAt(0).toString(16))})`)
    .join("");
}

function anyCase(hexadecimal: string): string {
  return hexadecimal.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}

/** Deletes the members that could pollute a prototype. Not recursive: nesting may have no limit. */
function withoutPollution(value: unknown): unknown {
  const left = [value];
  for (let one = left.pop(); one !== undefined; one = left.pop()) {
    if (typeof one !== "object" || one === null) continue;
    if (Array.isArray(one)) {
      for (const element of one)
        if (typeof element === "object" && element !== null) left.push(element);
      continue;
    }
    const object = one as Record<string, unknown>;
    // only an own property; `Object.prototype` always has one
    Reflect.deleteProperty(object, "__proto__");
    if (Object.hasOwn(object, "constructor") && hasPrototype(object.constructor))
      Reflect.deleteProperty(object, "constructor");
    for (const name in object) {
      const member = object[name];
      if (typeof member === "object" && member !== null) left.push(member);
    }
  }
  return value;
}

function hasPrototype(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.hasOwn(value, "prototype");
}
