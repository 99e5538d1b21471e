/** The strict check of one JSON-RPC 2.0 request object (§4), before anything else looks at it. */
import type { ErrorObject } from "../../protocol/error-codes.js";
import { standardError } from "../../protocol/error-codes.js";
import type { Id, Params, Request } from "../../protocol/messages.js";
import { encodeError } from "../json/encode.js";

/**
 * Something that is no request: the `Invalid Request` error to answer with, under the request's own
 * id where that is readable.
 */
export class InvalidRequest {
  readonly id: Id;
  readonly error: ErrorObject;

  constructor(id: Id, hint: string) {
    this.id = id;
    this.error = standardError("invalidRequest", { hint });
  }
}

const longestMethod = 128;
const longestId = 256;
const exampleRequest = '{"jsonrpc":"2.0","id":1,"method":"ping"}';

/**
 * The value itself, once it is known to be a request, without `params` that are null; members that
 * the specification does not name are left alone.
 */
export function readEnvelope(value: unknown): Request | InvalidRequest {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return new InvalidRequest(null, `a request is an object: ${exampleRequest}`);
  }
  const { jsonrpc, method, params, id } = value as Record<string, unknown>;
  if (Number.isNaN(id))
    return new InvalidRequest(
      null,
      '"id" is a number that a double does not hold exactly: send it as a string',
    );
  if (id !== undefined && !isId(id)) {
    return new InvalidRequest(
      null,
      `"id" must be a string of at most ${longestId} characters, a finite number or null`,
    );
  }
  const readable = id === undefined ? null : id;
  if (jsonrpc !== "2.0")
    return new InvalidRequest(readable, `"jsonrpc": "2.0" is missing: ${exampleRequest}`);
  if (typeof method !== "string") return new InvalidRequest(readable, '"method" must be a string');
  if (method.length === 0 || method.length > longestMethod) {
    return new InvalidRequest(readable, `"method" must have 1 to ${longestMethod} characters`);
  }
  if (params === null) return withoutParams(value as unknown as Request);
  if (params !== undefined && !isParams(params)) {
    return new InvalidRequest(readable, '"params" must be an object or an array, or be left out');
  }
  return value as unknown as Request;
}

/** Many clients write `"params": null` for none. */
function withoutParams({ params: _, ...request }: Request): Request {
  return request;
}

function isId(id: unknown): id is Id {
  return (
    id === null ||
    (typeof id === "string" && id.length <= longestId) ||
    (typeof id === "number" && Number.isFinite(id))
  );
}

function isParams(params: unknown): params is Params {
  return typeof params === "object" && params !== null;
}

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
