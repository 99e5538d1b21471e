import { type ErrorObject, errorOf, standardError } from "../protocol/error-codes.js";
import { Refusal } from "./refusal.js";

/** An auth method failed: what the caller is told, and why, for the log. Nothing of the session has changed. */
export class AuthFault extends Error {
  override readonly name = "AuthFault";
  readonly error: ErrorObject;
  /** For the log: what exactly is wrong, without the token. */
  readonly detail: string;

  constructor(error: ErrorObject, detail: string = error.message) {
    super(detail);
    this.error = error;
    this.detail = detail;
  }
}

/** `Invalid params` of an auth method, with what to send instead. */
export function invalidAuthParams(hint: string): AuthFault {
  return new AuthFault(standardError("invalidParams", { hint }), hint);
}

/** What a refusal looks like on the wire. In production a refused token does not say what is wrong with it. */
export function faultOf(thrown: unknown, production: boolean): AuthFault {
  if (thrown instanceof AuthFault) return thrown;
  if (!(thrown instanceof Refusal)) {
    const detail = thrown instanceof Error ? thrown.message : "unexpected failure";
    return new AuthFault(errorOf("auth_unavailable", { retryAfter: 1 }), detail);
  }
  const { reason, detail } = thrown;
  switch (reason) {
    case "token_expired":
      return new AuthFault(
        errorOf(reason, { context: "presented", action: "newToken", hint: "get a new token, this one has expired" }),
        detail,
      );
    case "token_invalid":
      return new AuthFault(
        errorOf(reason, production ? {} : { detail, hint: "get a new token from the issuer that this server trusts" }),
        detail,
      );
    case "token_revoked":
      return new AuthFault(errorOf(reason, { hint: "log in again" }), detail);
    case "subject_mismatch":
      return new AuthFault(
        errorOf(reason, { claim: "sub", hint: "log out first, or open another connection, to change the user" }),
        detail,
      );
    case "auth_unavailable":
      return new AuthFault(errorOf(reason, { retryAfter: 1, hint: "the token was not judged; try again" }), detail);
  }
}
