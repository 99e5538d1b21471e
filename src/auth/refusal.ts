/** Why a token was not accepted. */
export type RefusalReason = "token_expired" | "token_invalid" | "token_revoked" | "subject_mismatch" | "rate_limited" | "auth_unavailable";

/**
 * The one error that verification, renewal and revocation throw for a reason that concerns the caller.
 * `detail` says what exactly is wrong, without the token; it reaches the log, and the wire outside production.
 */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly reason: RefusalReason;
  readonly detail: string;
  /** Seconds, with `rate_limited`, and with `auth_unavailable`: there may be a verdict then. */
  readonly retryAfter: number | undefined;
  /** What to do, where that is not what it always is; on the wire outside production. */
  readonly hint: string | undefined;

  constructor(reason: RefusalReason, detail: string, retryAfter?: number, hint?: string) {
    super(`${reason}: ${detail}`);
    this.reason = reason;
    this.detail = detail;
    this.retryAfter = retryAfter;
    this.hint = hint;
  }
}
