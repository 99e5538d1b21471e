/**
 * Ids that are numbers which a double does not hold: `JSON.parse` makes others of them, and the
 * same one of two.
 */
import { afterSpace, afterString, afterValue } from "./json-text.js";

const longestNumber = 64; // characters; longer ones are not compared

interface Numbered {
  id: number;
}

/**
 * Makes `NaN`, which JSON has not, of each request's id that would come back as another number.
 * Costs next to nothing for integers up to 2^53 - 1.
 */
export function markInexactIds(value: unknown, text: string): void {
  if (!Array.isArray(value)) {
    if (isDoubtful(value)) mark(value, idTexts(text)[0]);
    return;
  }
  if (!value.some(isDoubtful)) return;
  const texts = idTexts(text);
  value.forEach((member, index) => {
    if (isDoubtful(member)) mark(member, texts[index]);
  });
}

function isDoubtful(value: unknown): value is Numbered {
  if (typeof value !== "object" || value === null) return false;
  const { id } = value as Partial<Numbered>;
  return typeof id === "number" && !Number.isSafeInteger(id);
}

function mark(request: Numbered, text = ""): void {
  if (text.length > longestNumber || decimalOf(text) !== decimalOf(String(request.id)))
    request.id = Number.NaN;
}

/** The same text for the same number, however it is written. */
function decimalOf(number: string): string {
  const [mantissa = "", exponent = "0"] = number.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const digits = (whole + fraction).replace(/^(-?)0+/, "$1");
  const significant = digits.replace(/0+$/, "");
  return `${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}

/**
 * The texts of the `id` members in valid JSON: of the object, or of each element of the array. Of
 * several in one object the last counts.
 */
function idTexts(text: string): readonly (string | undefined)[] {
  let at = afterSpace(text, 0);
  if (text[at] === "{") return [idText(text, at)];
  const found: (string | undefined)[] = [];
  for (at = afterSpace(text, at + 1); text[at] !== "]"; at = afterComma(text, afterValue(text, at)))
    found.push(text[at] === "{" ? idText(text, at) : undefined);
  return found;
}

function idText(text: string, from: number): string | undefined {
  let found: string | undefined;
  for (let at = afterSpace(text, from + 1); text[at] !== "}"; ) {
    const endOfName = afterString(text, at);
    const value = afterSpace(text, afterSpace(text, endOfName) + 1);
    const end = afterValue(text, value);
    if (JSON.parse(text.slice(at, endOfName)) === "id") found = text.slice(value, end);
    at = afterComma(text, end);
  }
  return found;
}

/** Where the next member begins; without one, at the closing bracket. */
function afterComma(text: string, from: number): number {
  const at = afterSpace(text, from);
  return text[at] === "," ? afterSpace(text, at + 1) : at;
}
