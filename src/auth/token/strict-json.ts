/**
 * JSON that means one thing to everybody: no member twice in an object (RFC 7515 §4, RFC 7519 §4),
 * no lone surrogate in a name, nor in a value unless they are allowed, no byte order mark, no deep nesting. What comes out is frozen all the way
 * down, has no prototype, and no member `__proto__`.
 */

export type StrictObject = Readonly<Record<string, unknown>>;

const maxDepth = 32; // neither a claims set nor a key set comes near
const loneSurrogate = /\p{Surrogate}/u;
// ignoreBOM: keeps it, so that it is refused below
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * `allowLone`: values may hold lone surrogates, which whoever reads them must look for.
 * @throws SyntaxError that says what is wrong and quotes nothing of the text.
 */
export function parseStrictObject(
  source: string | Uint8Array,
  { allowLone = false }: { readonly allowLone?: boolean } = {},
): StrictObject {
  const text = typeof source === "string" ? source : decodeUtf8(source);
  const written = countMembers(text);
  const value = parse(text);
  if (!isObject(value)) throw new SyntaxError("not a JSON object");
  // of two members with one name JSON.parse keeps the last: fewer are left than were written
  if (secure(value, mayHoldLoneSurrogate(text), allowLone) !== written)
    throw new SyntaxError("a member appears twice");
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

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SyntaxError("not valid JSON"); // without its cause, which quotes the text
  }
}

/** Where nothing is escaped, one look at the text saves one at each string in it. */
function mayHoldLoneSurrogate(text: string): boolean {
  return text.includes("\\") || loneSurrogate.test(text);
}

/**
 * Freezes a parsed value, takes prototypes and `__proto__` out of it, and returns how many members
 * it had. A reviver would take four times as long.
 */
function secure(value: unknown, mayBeLone: boolean, allowLone: boolean): number {
  if (typeof value === "string" && mayBeLone && !allowLone) mustHaveNoLoneSurrogate(value);
  if (typeof value !== "object" || value === null) return 0;
  return Array.isArray(value)
    ? secureArray(value, mayBeLone, allowLone)
    : secureObject(value as Record<string, unknown>, mayBeLone, allowLone);
}

function secureArray(array: unknown[], mayBeLone: boolean, allowLone: boolean): number {
  let members = 0;
  for (const item of array) members += secure(item, mayBeLone, allowLone);
  Object.freeze(array);
  return members;
}

function secureObject(
  object: Record<string, unknown>,
  mayBeLone: boolean,
  allowLone: boolean,
): number {
  const names = Object.keys(object);
  let members = names.length;
  for (const name of names) {
    if (mayBeLone) mustHaveNoLoneSurrogate(name);
    members += secure(object[name], mayBeLone, allowLone);
    if (name === "__proto__") delete object[name]; // for JSON.parse a member like any other
  }
  Object.freeze(Object.setPrototypeOf(object, null));
  return members;
}

function mustHaveNoLoneSurrogate(text: string): void {
  if (loneSurrogate.test(text)) throw new SyntaxError("a string with a lone surrogate");
}

const quote = 34;
const colon = 58;
const openBracket = 91;
const backslash = 92;
const closeBracket = 93;
const openBrace = 123;
const closeBrace = 125;

/**
 * How many members the objects of a JSON text have: its colons outside of strings. Wrong JSON may
 * be misjudged here, and fails in the parser.
 */
function countMembers(text: string): number {
  let depth = 0;
  let members = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) at = endOfString(text, at);
    else if (code === colon) members++;
    else if (code === openBrace || code === openBracket) {
      if (++depth > maxDepth) throw new SyntaxError(`nested deeper than ${maxDepth}`);
    } else if (code === closeBrace || code === closeBracket) depth--;
  }
  return members;
}

/** The index of the closing quote, or of the end of the text. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== quote)
    at += text.charCodeAt(at) === backslash ? 2 : 1;
  return at;
}
