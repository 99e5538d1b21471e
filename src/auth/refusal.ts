import { type ErrorObject, errorOf, errorTable, standardError } from "../protocol/error-codes.js";

/** Why a token was refused. */
export type TokenRefusedCode =
  | "token_expired"
  | "token_invalid"
  | "token_revoked"
  | "subject_mismatch"
  | "rate_limited"
  | "auth_unavailable";

/**
 * The one error that verification, renewal and revocation throw for a reason that concerns the
 * caller. `detail` says what exactly is wrong, without the token; it reaches the log, and the wire
 * outside production.
 */
export class TokenRefusedError extends Error {
  override readonly name = "TokenRefusedError";
  /** Why the token was refused; on the wire `data.reason`. */
  readonly code: TokenRefusedCode;
  /** What exactly is wrong, without the token. */
  readonly detail: string;
  /**
   * Milliseconds, with `rate_limited`, and with `auth_unavailable`: there may be a verdict then.
   */
  readonly retryAfter: number | undefined;
  /** What to do, where that is not what it always is; on the wire outside production. */
  readonly hint: string | undefined;

  constructor(code: TokenRefusedCode, detail: string, retryAfter?: number, hint?: string) {
    super(`${code}: ${detail}`);
    this.code = code;
    this.detail = detail;
    this.retryAfter = retryAfter;
    this.hint = hint;
  }
}

/** Why an auth method failed. */
export interface Fault {
  /** The error that the caller gets. */
  readonly error: ErrorObject;
  /** For the log: what exactly is wrong, without the token. */
  readonly detail: string;
}

/** An auth method failed. Nothing of the session has changed. */
export class AuthFault extends Error implements Fault {
  override readonly name = "AuthFault";
  readonly error: ErrorObject;
  readonly detail: string;

  constructor(error: ErrorObject, detail: string = error.message) {
    super(detail);
    this.error = error;
    this.detail = detail;
  }
}

/**
 * Was the refused token good, but for its time? A device that presents it again and again is no
 * attack: others share its address.
 */
export function isOnlyExpired({ code }: ErrorObject): boolean {
  return code === errorTable.token_expired.code;
}

/** `Invalid params` of an auth method, with what to send instead. */
export function invalidAuthParams(hint: string): AuthFault {
  return new AuthFault(standardError("invalidParams", { hint }), hint);
}

/**
 * What a refusal looks like on the wire; no error of its own, whose stack nobody reads. In
 * production a refused token does not say what is wrong with it.
 */
export function faultOf(thrown: unknown, production: boolean): Fault {
  try {
    if (thrown instanceof AuthFault) return thrown;
    if (thrown instanceof TokenRefusedError) return faultOfRefusal(thrown, production);
    return unavailable(thrown instanceof Error ? String(thrown.message) : "unexpected failure");
  } catch {
    return unavailable("something that can't be described"); // a Proxy that refuses to be looked at
  }
}

const newTokenHint = "get a new token from the issuer that this server trusts";

function unavailable(detail: string): Fault {
  return { error: errorOf("auth_unavailable", { retryAfter: 1 }), detail };
}

/** Whole seconds, at least one. */
function secondsOf(milliseconds: number): number {
  return Math.max(Math.ceil(milliseconds / 1_000), 1);
}

function faultOfRefusal(
  { code: reason, detail, retryAfter = 1_000, hint = newTokenHint }: TokenRefusedError,
  production: boolean,
): Fault {
  switch (reason) {
    case "token_expired":
      return {
        error: errorOf(reason, {
          context: "presented",
          action: "newToken",
          hint: "get a new token, this one has expired",
        }),
        detail,
      };
    case "token_invalid":
      return {
        error: errorOf(reason, production ? {} : { detail, hint }),
        detail,
      };
    case "token_revoked":
      return { error: errorOf(reason, { hint: "log in again" }), detail };
    case "subject_mismatch":
      return {
        error: errorOf(reason, {
          claim: "sub",
          hint: "log out first, or open another connection, to change the user",
        }),
        detail,
      };
    case "rate_limited":
      return {
        error: errorOf(reason, {
          retryAfter: secondsOf(retryAfter),
          hint: "too many of this user in a minute; the token is not used up",
        }),
        detail,
      };
    case "auth_unavailable":
      return {
        error: errorOf(reason, {
          retryAfter: secondsOf(retryAfter),
          hint: "the token was not judged; try again",
        }),
        detail,
      };
  }
}
