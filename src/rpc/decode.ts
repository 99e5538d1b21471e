/** From the text of a frame to a JSON value, with what `JSON.parse` lets through refused first. */
import type { ErrorObject } from "../protocol/error-codes.js";
import { standardError } from "../protocol/error-codes.js";

export type Decoded = { readonly value: unknown } | { readonly error: ErrorObject };

/** Parses one frame. Deeper nesting than `depth` (0 = no limit) is `Invalid Request`; members that could pollute a prototype are dropped. */
export function decode(text: string, depth: number): Decoded {
  // n levels need n openings and n closings: a short text can't be deep
  if (depth > 0 && text.length > depth * 2 && isDeeperThan(text, depth)) {
    return { error: standardError("invalidRequest", { hint: `JSON nested deeper than ${depth} levels` }) };
  }
  try {
    return { value: mayPollute(text) ? JSON.parse(text, withoutPollution) : JSON.parse(text) };
  } catch {
    return { error: standardError("parse", { hint: "one JSON value per frame, in UTF-8" }) };
  }
}

const quote = 34;
const backslash = 92;
const openBracket = 91;
const closeBracket = 93;
const openBrace = 123;
const closeBrace = 125;

/** Counts brackets outside strings; wrong JSON may be misjudged here, and fails in the parser. */
function isDeeperThan(text: string, limit: number): boolean {
  let level = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) {
      i = endOfString(text, i + 1);
    } else if (code === openBracket || code === openBrace) {
      if (++level > limit) return true;
    } else if (code === closeBracket || code === closeBrace) {
      level--;
    }
  }
  return false;
}

function endOfString(text: string, from: number): number {
  let i = from;
  while (i < text.length) {
    const code = text.charCodeAt(i);
    if (code === quote) return i;
    i += code === backslash ? 2 : 1;
  }
  return i;
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
