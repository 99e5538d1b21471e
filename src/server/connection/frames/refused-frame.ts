import type { ErrorObject } from "../../../protocol/error-codes.js";
import { readEnvelope } from "../../../rpc/dispatch/envelope.js";
import { encodeError } from "../../../rpc/json/encode.js";

/**
 * The answer to a frame that is refused as a whole: the error for each of its requests. A batch
 * that is longer than one may be is answered by one error. Null: there were only notifications.
 */
export function encodeRefusal(value: unknown, error: ErrorObject, maxBatch: number): string | null {
  if (!Array.isArray(value)) return refusalOf(value, error);
  if (value.length === 0 || (maxBatch > 0 && value.length > maxBatch))
    return encodeError(null, error);
  const refusals = value
    .map((element) => refusalOf(element, error))
    .filter((refusal) => refusal !== null);
  return refusals.length === 0 ? null : `[${refusals.join(",")}]`;
}

function refusalOf(value: unknown, error: ErrorObject): string | null {
  const { id } = readEnvelope(value);
  return id === undefined ? null : encodeError(id, error);
}
