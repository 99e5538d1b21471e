import type { ErrorData, ErrorReason } from "../src/protocol/error-codes.js";
import type { EndReason } from "../src/protocol/messages.js";

/** `code` of the errors that the client itself finds in a call or a subscription. */
export type ClientFault =
  /**
   * No answer came within the call's `timeout`. `cause` is the `DisconnectedError` of the last
   * attempt if there was no connection, or the `RpcError` of the last refusal if the server refused
   * the call for the time being.
   */
  | "timeout"
  /** The call's `signal` was aborted; `cause` is the signal's reason. */
  | "aborted"
  /** More calls are waiting to be sent than `queue` allows. */
  | "queue_full"
  /** The call, or the subscription, was made for another user than the one who is signed in now. */
  | "subject_changed"
  /** The call, or the subscription's, is larger than a frame that the server takes. */
  | "too_large"
  /** A method's call was iterated, and only a subscription has events. */
  | "no_subscription"
  /** `live` was called for a topic whose answers have no snapshot. */
  | "no_snapshot";

/** `code` of the errors whose numbers JSON-RPC 2.0 §5.1 fixes. */
export type StandardFault =
  | "parse_error"
  | "invalid_request"
  | "method_not_found"
  | "invalid_params"
  | "internal_error";

/** Any failure of a call: tell them apart by `code`, or by class. */
export class JotwireError<Code extends string = string> extends Error {
  /** The name of the class. */
  override readonly name: string = "JotwireError";
  /** What has happened, for programs; the message is for people. */
  declare readonly code: Code;
  /**
   * `"no"`: the call has certainly not run, and may be made again. `"maybe"`: the call had been
   * sent, so that it may have run.
   */
  declare readonly sent: "no" | "maybe";

  constructor(code: Code, message: string = code, cause?: unknown, sent: "no" | "maybe" = "maybe") {
    super(message, cause === undefined ? cause : { cause });
    this.code = code;
    this.sent = sent;
  }
}

/**
 * The server answered with an error. `code` is the declared error's name, a reason of jotwire's own
 * table (`token_expired`, `forbidden` …), the name of a standard error (`invalid_params` …), or
 * `application_error` for an application's error whose message names nothing.
 */
export class RpcError<Code extends string = string, Data = unknown> extends JotwireError<Code> {
  override readonly name = "RpcError";
  /** `code` of the answer's error object (JSON-RPC 2.0 §5.1). */
  declare readonly rpcCode: number;
  /**
   * `data` of the answer's error object; of the server's own errors, times in it are in seconds.
   */
  declare readonly data: Data;

  constructor(code: Code, rpcCode: number, message: string, data: Data) {
    super(code, message, undefined, Object(data).executed === false ? "no" : "maybe");
    this.rpcCode = rpcCode;
    this.data = data;
  }
}

/** Why there is no connection: a reason, the close code, and a cause, where one is known. */
export type Disconnection = [reason: string, closeCode?: number, cause?: unknown];

/**
 * There is no connection to answer the call. `cause`, where one is known, is the `RpcError` with
 * which the server refused the token, the error that `token()` threw, the `UpgradeRefusedError` of
 * a refused handshake, or, in Node, the socket's error.
 */
export class DisconnectedError extends JotwireError<"disconnected"> {
  override readonly name = "DisconnectedError";
  /** The close code (RFC 6455 §7.4), where the socket was closed. */
  declare readonly closeCode: number | undefined;
  /** Why, for programs: the close reason, or what the client itself found. */
  declare readonly reason: string;

  constructor(sent: "no" | "maybe", ...[reason, closeCode, cause]: Disconnection) {
    super("disconnected", reason, cause, sent);
    this.reason = reason;
    this.closeCode = closeCode;
  }
}

/**
 * The server has ended the subscription: `forbidden` (a scope was lost), `logout`, or `error`, with
 * the application's `rpcCode` where it has one. One that ended as `slow` is subscribed again, and
 * one that is `completed` ends without an error.
 */
export class SubscriptionEndedError extends JotwireError<"subscription_ended"> {
  override readonly name = "SubscriptionEndedError";
  /** Why the server has ended it. */
  declare readonly reason: EndReason;
  /** The number of the application's error; `undefined` for another reason than `error`. */
  declare readonly rpcCode: number | undefined;

  constructor(reason: EndReason, rpcCode: number | undefined) {
    super("subscription_ended", reason);
    this.reason = reason;
    this.rpcCode = rpcCode;
  }
}

/**
 * The `cause` of a loss with the reason `upgrade_refused`: the server answers the WebSocket
 * handshake (RFC 6455 §4.1) with another HTTP status than 101. In browsers, which don't tell it,
 * the status of a `GET` of the same URL, which the client sends once until it is connected again.
 */
export class UpgradeRefusedError extends Error {
  override readonly name = "UpgradeRefusedError";
  /** What has happened, for programs. */
  readonly code = "upgrade_refused";
  /** The HTTP status. */
  declare readonly status: number;
  /** Why, for programs; `undefined` if another server has answered than jotwire's. */
  declare readonly reason: string | undefined;
  /** What to change, in a sentence; `undefined` if the answer has none. */
  declare readonly hint: string | undefined;

  constructor(status: number, body?: unknown) {
    const { error, message } = Object(body);
    const hint = textOf(message);
    super(hint ?? `HTTP ${status}`);
    this.status = status;
    this.reason = textOf(error);
    this.hint = hint;
  }
}

/** The value, if it is a string. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Thrown by `token()` to sign out: the client closes and doesn't try again. */
export class AuthStopError extends Error {
  override readonly name = "AuthStopError";
  /** What has happened, for programs. */
  readonly code = "auth_stop";
}

type DeclaredError<Errors> = unknown extends Errors
  ? never
  : { [K in keyof Errors & string]: RpcError<K, Errors[K]> }[keyof Errors & string];

/** Every error that a call with the declared `Errors` (name → data) may reject with. */
export type CallError<Errors = unknown> =
  | DeclaredError<Errors>
  | RpcError<ErrorReason, ErrorData>
  | RpcError<StandardFault | "application_error", unknown>
  | DisconnectedError
  | JotwireError<ClientFault>;

const standardFaults: readonly StandardFault[] = [
  "internal_error",
  "invalid_params",
  "method_not_found",
  "invalid_request",
]; // from -32603 on

/** Reads the member `error` of an answer (JSON-RPC 2.0 §5.1), which may hold anything. */
export function errorFrom(value: unknown): RpcError {
  const { code, message, data } = Object(value) as {
    code?: unknown;
    message?: unknown;
    data?: unknown;
  };
  const rpcCode = typeof code === "number" ? code : 0;
  const text = textOf(message) ?? "";
  const name =
    (rpcCode === -32700 ? "parse_error" : standardFaults[rpcCode + 32603]) ??
    (rpcCode >= -32768 && rpcCode <= -32000 ? textOf(Object(data).reason) : undefined) ??
    /^([a-z_$][\w$]*)(: |$)/i.exec(text)?.[1] ??
    "application_error";
  return new RpcError(name, rpcCode, text, data);
}
