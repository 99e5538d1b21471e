/**
 * JSON that means one thing to everybody: no member twice in an object (RFC 7515 §4, RFC 7519 §4), no lone surrogate,
 * no byte order mark, no deep nesting. What comes out is frozen all the way down, has no prototype, and no member `__proto__`.
 */

export type StrictObject = Readonly<Record<string, unknown>>;

const maxDepth = 32; // neither a claims set nor a key set comes near
const loneSurrogate = /\p{Surrogate}/u;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }); // ignoreBOM: keeps it, so that it is refused below

/** @throws SyntaxError that says what is wrong and quotes nothing of the text. */
export function parseStrictObject(source: string | Uint8Array): StrictObject {
  const text = typeof source === "string" ? source : decodeUtf8(source);
  checkStructure(text);
  const value = parse(text, toSafeValue);
  if (!isObject(value)) throw new SyntaxError("not a JSON object");
  return value;
}

export function isObject(value: unknown): value is StrictObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new SyntaxError("not valid UTF-8", { cause });
  }
}

function parse(text: string, reviver?: (name: string, value: unknown) => unknown): unknown {
  try {
    return JSON.parse(text, reviver);
  } catch (error) {
    if (error instanceof LoneSurrogate) throw error;
    throw new SyntaxError("not valid JSON"); // without its cause, which quotes the text
  }
}

class LoneSurrogate extends SyntaxError {
  constructor() {
    super("a string with a lone surrogate");
  }
}

/** A reviver: called from the leaves up. */
function toSafeValue(name: string, value: unknown): unknown {
  if (loneSurrogate.test(name)) throw new LoneSurrogate();
  if (typeof value === "string" && loneSurrogate.test(value)) throw new LoneSurrogate();
  if (name === "__proto__") return undefined; // leaves the member out
  if (!isObject(value)) return Object.freeze(value);
  return Object.freeze(Object.setPrototypeOf(value, null));
}

/** Finds what JSON.parse lets pass: a member name twice in one object, and depth. Everything else is left to JSON.parse. */
function checkStructure(text: string): void {
  const open: (Set<string> | "array")[] = [];
  let mayBeName = false; // is a string here a member name?
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      const end = endOfString(text, at);
      const names = open.at(-1);
      if (mayBeName && names instanceof Set) addName(names, text.slice(at, end + 1));
      mayBeName = false;
      at = end;
    } else if (char === "{" || char === "[") {
      open.push(char === "{" ? new Set() : "array");
      if (open.length > maxDepth) throw new SyntaxError(`nested deeper than ${maxDepth}`);
      mayBeName = char === "{";
    } else if (char === "}" || char === "]") {
      open.pop();
    } else if (char === ",") {
      mayBeName = true;
    }
  }
}

function addName(names: Set<string>, literal: string): void {
  const name = String(parse(literal)); // "\u0073ub" is "sub"
  if (names.has(name)) throw new SyntaxError("a member appears twice");
  names.add(name);
}

/** The index of the closing quote, or of the end of the text. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
