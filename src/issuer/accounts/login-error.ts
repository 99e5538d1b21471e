/**
 * Why a login was refused: wrong name or password (the same for a locked or disabled account), too
 * many logins at once, or too many failed logins from one address. Or why `issuer.setPassword` was:
 * a token that is unknown, used, replaced or expired (the same for all of them), or a password that
 * is too short or too long.
 */
export type LoginErrorCode =
  | "invalid_credentials"
  | "invalid_password_token"
  | "invalid_password"
  | "busy"
  | "too_many_failures";

/** `issuer.login` or `issuer.setPassword` refused the credentials, or had no time for them. */
export class LoginError extends Error {
  override readonly name = "LoginError";
  /** Why the login was refused. */
  readonly code: LoginErrorCode;
  /** Milliseconds until the next try, with `busy` and `too_many_failures`. */
  readonly retryAfter: number | undefined;

  constructor(code: LoginErrorCode, message: string, retryAfter?: number) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
  }
}
