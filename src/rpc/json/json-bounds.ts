/** Bounds of a JSON text, checked before the text is parsed. */

/** Counts and bytes; `Infinity` means no limit. */
export interface JsonBounds {
  /** Levels of nesting. */
  readonly jsonDepth: number;
  /** Values: objects, arrays and scalars. */
  readonly jsonValues: number;
  /** Members of one object. */
  readonly objectMembers: number;
  /** UTF-8 bytes of one string or name, with its escapes. */
  readonly stringBytes: number;
}

// Minimum length of each in characters: a text that is too short for an excess need not be scanned.
const levelLength = 2; // []
const valueLength = 2; // 1,
const memberLength = 5; // "":1,
const quotesLength = 2; // bytes

const quote = 34;
const comma = 44;
const backslash = 92;
const openBracket = 91;
const closeBracket = 93;
const openBrace = 123;
const closeBrace = 125;

/**
 * Returns the first bound that a text of `bytes` bytes exceeds. The result for invalid JSON may be
 * wrong, since the parser refuses such a text anyway.
 */
export function excessOf(
  text: string,
  bytes: number,
  bounds: JsonBounds,
): keyof JsonBounds | undefined {
  const { jsonDepth, jsonValues, objectMembers, stringBytes } = bounds;
  const { length } = text;
  const isLong =
    length > objectMembers * memberLength ||
    length > jsonValues * valueLength ||
    bytes > stringBytes + quotesLength;
  if (isLong) return firstExcess(text, bytes > length, bounds);
  return length > jsonDepth * levelLength && isDeeperThan(text, jsonDepth)
    ? "jsonDepth"
    : undefined;
}

/** Counts brackets outside strings. */
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

/** Checks all bounds. `isWide` means that a character may have several bytes. */
function firstExcess(
  text: string,
  isWide: boolean,
  { jsonDepth, jsonValues, objectMembers, stringBytes }: JsonBounds,
): keyof JsonBounds | undefined {
  const members: number[] = []; // per open container; -Infinity for arrays
  let found = 1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) {
      const end = endOfString(text, i + 1);
      if (isLongerThan(text, i + 1, end, isWide, stringBytes)) return "stringBytes";
      i = end;
    } else if (code === openBracket || code === openBrace) {
      if (members.push(code === openBrace ? 0 : Number.NEGATIVE_INFINITY) > jsonDepth)
        return "jsonDepth";
      // for both kinds the code of the closing bracket
      if (isEmpty(text, i + 1, code + 2)) continue;
      if (++found > jsonValues) return "jsonValues";
      if (countMember(members) > objectMembers) return "objectMembers";
    } else if (code === comma) {
      if (++found > jsonValues) return "jsonValues";
      if (countMember(members) > objectMembers) return "objectMembers";
    } else if (code === closeBracket || code === closeBrace) {
      members.pop();
    }
  }
  return undefined;
}

/** Counts a member of the innermost container. Returns its number of members. */
function countMember(members: number[]): number {
  const innermost = members.length - 1;
  const count = (members[innermost] ?? Number.NEGATIVE_INFINITY) + 1;
  if (innermost >= 0) members[innermost] = count;
  return count;
}

function isLongerThan(
  text: string,
  from: number,
  end: number,
  isWide: boolean,
  limit: number,
): boolean {
  const length = end - from;
  return (
    length > limit ||
    (isWide && length * 3 > limit && Buffer.byteLength(text.slice(from, end)) > limit)
  );
}

/** Returns whether only white space precedes the closing bracket. */
function isEmpty(text: string, from: number, closer: number): boolean {
  let at = from;
  while (text.charCodeAt(at) <= 32) at++;
  return text.charCodeAt(at) === closer;
}

/**
 * Returns the index of the closing quote, or the length of the text. Jumps from quote to quote, so
 * a long token costs 40 ns instead of 1 µs.
 */
function endOfString(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end;
}

/** Returns whether an odd number of backslashes precedes `at`. */
function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === backslash) first--;
  return (at - first) % 2 === 1;
}
