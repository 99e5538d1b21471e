/** The strict check of one JSON-RPC 2.0 request object (§4), before anything else looks at it. */
import type { ErrorObject } from "../protocol/error-codes.js";
import { standardError } from "../protocol/error-codes.js";
import type { Id, Params, Request } from "../protocol/messages.js";

export type Envelope = { readonly request: Request } | { readonly id: Id; readonly error: ErrorObject };

const longestMethod = 128;
const longestId = 256;

/** The request, or the `Invalid Request` error to answer with, under the request's own id where that is readable. */
export function readEnvelope(value: unknown): Envelope {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return invalid(null, `a request is an object: ${exampleRequest}`);
  }
  const { jsonrpc, method, params, id } = value as Record<string, unknown>;
  const hasId = id !== undefined;
  if (hasId && !isId(id)) return invalid(null, `"id" must be a string of at most ${longestId} characters, a finite number or null`);
  const readable = hasId ? id : null;
  if (jsonrpc !== "2.0") return invalid(readable, `"jsonrpc": "2.0" is missing: ${exampleRequest}`);
  if (typeof method !== "string") return invalid(readable, '"method" must be a string');
  if (method.length === 0 || method.length > longestMethod) return invalid(readable, `"method" must have 1 to ${longestMethod} characters`);
  if (params !== undefined && !isParams(params)) return invalid(readable, '"params" must be an object or an array, or be left out');
  const request: Request = { jsonrpc, method, ...(params === undefined ? {} : { params }), ...(hasId ? { id } : {}) };
  return { request };
}

const exampleRequest = '{"jsonrpc":"2.0","id":1,"method":"ping"}';

function invalid(id: Id, hint: string): Envelope {
  return { id, error: standardError("invalidRequest", { hint }) };
}

function isId(id: unknown): id is Id {
  return id === null || (typeof id === "string" && id.length <= longestId) || (typeof id === "number" && Number.isFinite(id));
}

function isParams(params: unknown): params is Params {
  return typeof params === "object" && params !== null;
}
