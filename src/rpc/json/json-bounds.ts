/** How much there may be in one JSON text, looked for before anything is made of it. */

/** Counts and bytes; `Infinity`: no limit. */
export interface JsonBounds {
  /** Levels of nesting. */
  readonly jsonDepth: number;
  /** Values, whether objects, arrays or scalars. */
  readonly jsonValues: number;
  /** Members of one object. */
  readonly objectMembers: number;
  /** One string as it is written, a name too; in UTF-8. */
  readonly stringBytes: number;
}

// What each takes at least, in characters: a text that is too short for an excess is not searched
// for it.
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
 * The first bound that a text of so many bytes exceeds. Wrong JSON may be misjudged here, and fails
 * in the parser.
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

/** Counts everything. `isWide`: a character may have several bytes. */
function firstExcess(
  text: string,
  isWide: boolean,
  { jsonDepth, jsonValues, objectMembers, stringBytes }: JsonBounds,
): keyof JsonBounds | undefined {
  const members: number[] = []; // of each container that is open; of arrays, none
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
      if (isEmpty(text, i + 1, code + 2)) continue; // in both cases the code of what closes it
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

/** One more of the innermost container; returns how many it has. */
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

/** Does nothing but space stand before the closing bracket? */
function isEmpty(text: string, from: number, closer: number): boolean {
  let at = from;
  while (text.charCodeAt(at) <= 32) at++;
  return text.charCodeAt(at) === closer;
}

/**
 * The index of the closing quote, or of the end of the text. Jumps from quote to quote: a long
 * token costs 40 ns, not 1 µs.
 */
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
