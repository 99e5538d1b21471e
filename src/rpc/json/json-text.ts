/** JSON texts (RFC 8259), recognized without making anything of them. */

const quote = 34;
const comma = 44;
const colon = 58;
const openBracket = 91;
const backslash = 92;
const openBrace = 123;
const closeBrace = 125;
const firstPrintable = 32;
const simpleEscapes = '"\\/bfnrt';

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const hexadecimal = /^[\dA-Fa-f]{4}$/;

/**
 * Where nothing more can follow: a place that no text has, so that whatever is looked for there is
 * not found.
 */
const broken = Number.POSITIVE_INFINITY;

/**
 * Would `JSON.parse` take this text? Costs a twentieth of the error that it throws when it does not
 * (0.4 µs to 8 for a short request).
 */
export function isJsonText(text: string): boolean {
  const closers: number[] = []; // what must still close, the innermost last
  let at = afterSpace(text, 0);
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === openBrace || code === openBracket) {
      const closer = code + 2; // in both cases
      closers.push(closer);
      at = afterSpace(text, at + 1);
      if (text.charCodeAt(at) !== closer) {
        if (closer === closeBrace) at = afterName(text, at);
        continue; // with its first value
      }
    } else {
      at = afterSpace(text, afterScalar(text, at));
    }
    while (closers.length > 0 && text.charCodeAt(at) === closers.at(-1)) {
      closers.pop();
      at = afterSpace(text, at + 1);
    }
    if (closers.length === 0) return at === text.length;
    if (text.charCodeAt(at) !== comma) return false;
    at = afterSpace(text, at + 1);
    if (closers.at(-1) === closeBrace) at = afterName(text, at);
  }
}

/** After the value that begins here, in valid JSON. */
export function afterValue(text: string, from: number): number {
  let level = 0;
  let at = from;
  do {
    const code = text.charCodeAt(at);
    if (code === openBrace || code === openBracket) level++;
    else if (code === openBrace + 2 || code === openBracket + 2) level--;
    at =
      code === quote ? afterString(text, at) : isStructure(code) ? at + 1 : afterScalar(text, at);
    at = level > 0 ? afterSpace(text, at) : at;
  } while (level > 0);
  return at;
}

function isStructure(code: number): boolean {
  return (
    code === openBrace ||
    code === openBracket ||
    code === openBrace + 2 ||
    code === openBracket + 2 ||
    code === comma ||
    code === colon
  );
}

export function afterSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}

/** After a member's name and its colon. */
function afterName(text: string, from: number): number {
  const at = afterSpace(text, afterString(text, from));
  return text.charCodeAt(at) === colon ? afterSpace(text, at + 1) : broken;
}

function afterScalar(text: string, from: number): number {
  switch (text[from]) {
    case '"':
      return afterString(text, from);
    case "t":
      return afterLiteral(text, from, "true");
    case "f":
      return afterLiteral(text, from, "false");
    case "n":
      return afterLiteral(text, from, "null");
    default:
      return afterNumber(text, from);
  }
}

function afterLiteral(text: string, from: number, literal: string): number {
  return text.startsWith(literal, from) ? from + literal.length : broken;
}

function afterNumber(text: string, from: number): number {
  if (from >= text.length) return broken;
  number.lastIndex = from;
  return number.test(text) ? number.lastIndex : broken;
}

export function afterString(text: string, from: number): number {
  if (text.charCodeAt(from) !== quote) return broken;
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) return at + 1;
    if (code < firstPrintable) return broken;
    if (code === backslash) {
      at++;
      if (text[at] === "u" && hexadecimal.test(text.slice(at + 1, at + 5))) at += 4;
      else if (at === text.length || !simpleEscapes.includes(text.charAt(at))) return broken;
    }
  }
  return broken;
}
