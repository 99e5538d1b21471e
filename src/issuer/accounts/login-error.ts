/**
 * Why nobody was logged in: name or password wrong (or closed for a while, or disabled: all alike),
 * too many logins at once, or too many failed ones from the same address.
 */
export type LoginErrorReason = "invalid_credentials" | "busy" | "too_many_failures";

export class LoginError extends Error {
  override readonly name = "LoginError";
  readonly reason: LoginErrorReason;
  /** Seconds, with `busy` and `too_many_failures`. */
  readonly retryAfter: number | undefined;

  constructor(reason: LoginErrorReason, message: string, retryAfter?: number) {
    super(message);
    this.reason = reason;
    this.retryAfter = retryAfter;
  }
}
