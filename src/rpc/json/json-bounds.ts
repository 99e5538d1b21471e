/** How much there may be in one JSON text, looked for before anything is made of it. */

/** Counts and bytes; 0 = no limit. */
export interface JsonBounds {
  /** Levels of nesting. */
  readonly depth: number;
  /** Values, whether objects, arrays or scalars. */
  readonly nodes: number;
  /** Members of one object. */
  readonly keys: number;
  /** One string as it is written, a name too; in UTF-8. */
  readonly stringBytes: number;
}

// What each takes at least, in characters: a text that is too short for an excess is not searched
// for it.
const levelLength = 2; // []
const nodeLength = 2; // 1,
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
  const { depth, nodes, keys, stringBytes } = bounds;
  const { length } = text;
  const isLong =
    (keys > 0 && length > keys * memberLength) ||
    (nodes > 0 && length > nodes * nodeLength) ||
    (stringBytes > 0 && bytes > stringBytes + quotesLength);
  if (isLong) return firstExcess(text, bytes > length, bounds);
  return depth > 0 && length > depth * levelLength && isDeeperThan(text, depth)
    ? "depth"
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
  bounds: JsonBounds,
): keyof JsonBounds | undefined {
  const [depth, nodes, keys, stringBytes] = [
    bounds.depth,
    bounds.nodes,
    bounds.keys,
    bounds.stringBytes,
  ].map(orEndless) as Four;
  const members: number[] = []; // of each container that is open; of arrays, none
  let found = 1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) {
      const end = endOfString(text, i + 1);
      if (isLongerThan(text, i + 1, end, isWide, stringBytes)) return "stringBytes";
      i = end;
    } else if (code === openBracket || code === openBrace) {
      if (members.push(code === openBrace ? 0 : Number.NEGATIVE_INFINITY) > depth) return "depth";
      if (isEmpty(text, i + 1, code + 2)) continue; // in both cases the code of what closes it
      if (++found > nodes) return "nodes";
      if (countMember(members) > keys) return "keys";
    } else if (code === comma) {
      if (++found > nodes) return "nodes";
      if (countMember(members) > keys) return "keys";
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

type Four = [number, number, number, number];

function orEndless(limit: number): number {
  return limit > 0 ? limit : Number.POSITIVE_INFINITY;
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
