import type { StandardSchema } from "../../protocol/standard-schema.js";
import { type Validated, validate } from "../define/validate.js";
import { fits } from "../json/encode.js";

/** An event that is larger than a frame may be. */
class EventTooLargeError extends RangeError {
  override readonly name = "EventTooLargeError";

  constructor(limit: number) {
    super(`the event has more than ${limit} bytes; limits.responseBytes raises the limit`);
  }
}

const tooLarge = new WeakSet<object>(); // no instanceof: a thrown Proxy may make it throw

/** Was this thrown because an event is too large? */
export function isTooLarge(thrown: unknown): boolean {
  return typeof thrown === "object" && thrown !== null && tooLarge.has(thrown);
}

/**
 * JSON of an event, once its schema has accepted it; `undefined` is `null`. Throws, or rejects with, a `TypeError` when it does not fit the schema or is no JSON, and
 * a `RangeError` when it is too large.
 */
export function encodeEvent(
  schema: StandardSchema | undefined,
  event: unknown,
  maxBytes: number,
): string | Promise<string> {
  if (schema === undefined) return jsonOf(event, maxBytes);
  const checked = validate(schema, event);
  return checked instanceof Promise
    ? checked.then((result) => checkedJson(result, maxBytes))
    : checkedJson(checked, maxBytes);
}

function checkedJson(checked: Validated, maxBytes: number): string {
  if ("value" in checked) return jsonOf(checked.value, maxBytes);
  throw new TypeError(`the event does not fit its schema: ${JSON.stringify(checked.issues)}`);
}

function jsonOf(value: unknown, maxBytes: number): string {
  const text = value === undefined ? "null" : (JSON.stringify(value) ?? "null");
  if (fits(text, maxBytes)) return text;
  const error = new EventTooLargeError(maxBytes);
  tooLarge.add(error);
  throw error;
}
