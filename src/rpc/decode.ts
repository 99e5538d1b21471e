/** From the text of a frame to a JSON value, with what `JSON.parse` lets through refused first. */
import type { ErrorObject } from "../protocol/error-codes.js";
import { standardError } from "../protocol/error-codes.js";
import { isJsonText } from "./json-text.js";

export type Decoded = { readonly value: unknown } | { readonly error: ErrorObject };

const notJson: Decoded = { error: standardError("parse", { hint: "one JSON value per frame, in UTF-8" }) };

/**
 * Parses one frame. Deeper nesting than `depth` (0 = no limit) is `Invalid Request`; members that could pollute a prototype are dropped.
 * `isSuspect`: the peer has sent what is not JSON before, so this is looked at before it is parsed. What the parser refuses costs more
 * than a good call, by the error that it throws.
 */
export function decode(text: string, depth: number, isSuspect = false): Decoded {
  // n levels need n openings and n closings: a short text can't be deep
  if (depth > 0 && text.length > depth * 2 && isDeeperThan(text, depth)) {
    return { error: standardError("invalidRequest", { hint: `JSON nested deeper than ${depth} levels` }) };
  }
  if (isSuspect && !isJsonText(text)) return notJson;
  try {
    return { value: mayPollute(text) ? JSON.parse(text, withoutPollution) : JSON.parse(text) };
  } catch {
    return notJson;
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

/** The index of the closing quote, or of the end of the text. Jumps from quote to quote: a long token costs 40 ns, not 1 µs. */
function endOfString(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end;
}

/** Is there an odd number of backslashes before this place? */
function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === backslash) first--;
  return (at - first) % 2 === 1;
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
