/** From responses to the text of a frame. */
import { type ErrorObject, errorOf } from "../../protocol/error-codes.js";
import type { Id, Params, SubscribeResult } from "../../protocol/messages.js";

/**
 * Throws what `JSON.stringify` throws: a cycle, a BigInt, a `toJSON` that fails. `undefined`
 * becomes `null`.
 */
export function encodeResult(id: Id, result: unknown): string {
  return encodeJsonResult(id, result === undefined ? "null" : (JSON.stringify(result) ?? "null"));
}

/** As {@link encodeResult}, of a result that is JSON already. */
export function encodeJsonResult(id: Id, json: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${json}}`;
}

/** As {@link encodeResult}, of a subscription: `snapshot` is JSON already, made once for many. */
export function encodeSubscribed(id: Id, result: SubscribeResult, snapshot?: string): string {
  if (snapshot === undefined) return encodeResult(id, result);
  return encodeJsonResult(id, `${JSON.stringify(result).slice(0, -1)},"snapshot":${snapshot}}`);
}

/** As {@link encodeResult}: the data of a declared error may be anything. */
export function encodeError(id: Id, error: ErrorObject): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":${JSON.stringify(error)}}`;
}

export function encodeNotification(method: string, params: Params): string {
  return `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${JSON.stringify(params)}}`;
}

/**
 * The text, or in its stead an error for the same id when it has more than `limit` bytes.
 */
export function withinLimit(id: Id, text: string, limit: number): string {
  return fits(text, limit) ? text : encodeTooLarge(id, limit);
}

export function encodeTooLarge(id: Id, limit: number): string {
  return encodeError(
    id,
    errorOf("too_large", {
      limit,
      hint: "ask for less at a time; limits.responseBytes raises the limit",
    }),
  );
}

/**
 * True if `text` has at most `limit` bytes of UTF-8. A character has one to three of them (a
 * surrogate pair: four).
 */
export function fits(text: string, limit: number): boolean {
  if (text.length > limit) return false;
  return text.length * 3 <= limit || Buffer.byteLength(text) <= limit;
}
