/** Why nobody was logged in: name or password wrong (or closed for a while, or disabled: all alike), or too many logins at once. */
export type LoginErrorReason = "invalid_credentials" | "busy";

export class LoginError extends Error {
  override readonly name = "LoginError";
  readonly reason: LoginErrorReason;
  /** Seconds, with `busy`. */
  readonly retryAfter: number | undefined;

  constructor(reason: LoginErrorReason, message: string, retryAfter?: number) {
    super(message);
    this.reason = reason;
    this.retryAfter = retryAfter;
  }
}
