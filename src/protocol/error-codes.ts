/**
 * The error table: the codes that JSON-RPC 2.0 §5.1 fixes, and jotwire's own. One row a code; the
 * server builds errors from it, the client decides by it, and the docs are checked against it.
 */

/** What a client should do about an error of jotwire's own table. */
export type ErrorAction = "authenticate" | "refresh" | "newToken" | "retry" | "stop";

export interface ErrorRow {
  readonly code: number;
  readonly message: string;
  /** May the same call succeed later, unchanged, without the client doing anything? */
  readonly temporary: boolean;
  /** `false`: no application code has run, so the call may be repeated. Absent: not known. */
  readonly executed?: false;
  readonly action: ErrorAction;
}

/** jotwire's own errors, by their stable `data.reason`. */
export const errorTable = {
  unauthenticated: {
    code: -32001,
    message: "Not authenticated",
    temporary: false,
    executed: false,
    action: "authenticate",
  },
  token_expired: {
    code: -32002,
    message: "Token expired",
    temporary: false,
    executed: false,
    action: "refresh",
  },
  forbidden: {
    code: -32003,
    message: "Forbidden",
    temporary: false,
    executed: false,
    action: "stop",
  },
  token_invalid: {
    code: -32004,
    message: "Token invalid",
    temporary: false,
    executed: false,
    action: "newToken",
  },
  token_revoked: {
    code: -32005,
    message: "Token revoked",
    temporary: false,
    executed: false,
    action: "newToken",
  },
  subject_mismatch: {
    code: -32006,
    message: "Token is for another identity",
    temporary: false,
    executed: false,
    action: "stop",
  },
  auth_unavailable: {
    code: -32007,
    message: "Authentication is unavailable",
    temporary: true,
    executed: false,
    action: "retry",
  },
  timeout: { code: -32008, message: "Request timed out", temporary: true, action: "retry" },
  overloaded: {
    code: -32009,
    message: "Overloaded",
    temporary: true,
    executed: false,
    action: "retry",
  },
  too_large: { code: -32010, message: "Response too large", temporary: false, action: "stop" },
  cancelled: { code: -32011, message: "Request cancelled", temporary: false, action: "stop" },
  step_up_required: {
    code: -32012,
    message: "A stronger or newer login is needed",
    temporary: false,
    executed: false,
    action: "newToken",
  },
  rate_limited: {
    code: -32029,
    message: "Too many requests",
    temporary: true,
    executed: false,
    action: "retry",
  },
} as const satisfies Record<string, ErrorRow>;

/** The name of one of jotwire's own errors. */
export type ErrorReason = keyof typeof errorTable;

/** The codes that JSON-RPC 2.0 §5.1 fixes. */
export const standardErrors = {
  parse: { code: -32700, message: "Parse error" },
  invalidRequest: { code: -32600, message: "Invalid Request" },
  methodNotFound: { code: -32601, message: "Method not found" },
  invalidParams: { code: -32602, message: "Invalid params" },
  internal: { code: -32603, message: "Internal error" },
} as const;

/** `error.data` of jotwire's own errors. */
export interface ErrorData {
  /** The stable name of the error. */
  readonly reason: ErrorReason;
  /** Whether the same call may succeed later. */
  readonly temporary: boolean;
  /** `false`: the call has not run, so that it may be repeated. */
  readonly executed?: false;
  /** What the caller should do next. */
  readonly action: ErrorAction;
  /** What to type or do next, for people. */
  readonly hint?: string;
  /** Seconds to wait before the next try. */
  readonly retryAfter?: number;
  /** Whatever else an error says, such as `missing` scopes. */
  readonly [member: string]: unknown;
}

/** A JSON-RPC 2.0 error object (§5.1). */
export interface ErrorObject {
  /** The number that stands for the kind of error. */
  readonly code: number;
  /** A short sentence for people. */
  readonly message: string;
  /** What the error says for programs. */
  readonly data?: unknown;
}

/** Builds an error of jotwire's own table. `extra` joins `data` and may narrow `action`. */
export function errorOf(
  reason: ErrorReason,
  extra?: Readonly<Record<string, unknown>>,
): ErrorObject {
  const { code, message, ...rest } = errorTable[reason] as ErrorRow;
  return { code, message, data: { reason, ...rest, ...extra } };
}

/**
 * Builds an error with one of the standard codes; `data` is left out when there is nothing to say.
 */
export function standardError(
  name: keyof typeof standardErrors,
  data?: Readonly<Record<string, unknown>>,
): ErrorObject {
  const row = standardErrors[name];
  return data === undefined ? row : { ...row, data };
}

/** True for an integer that an application may use: outside JSON-RPC's reserved -32768…-32000. */
export function isApplicationCode(code: number): boolean {
  return Number.isSafeInteger(code) && (code < -32768 || code > -32000);
}
