/** What was revoked. Exactly one of `jti`, `sessionId` and `subject` is set. */
export interface Revocation {
  /** The issuer whose tokens are meant; absent: every issuer's. */
  readonly issuer?: string;
  readonly jti?: string;
  /** The `sid` claim. */
  readonly sessionId?: string;
  readonly subject?: string;
  /** With `subject`: tokens with `iat <= issuedBefore` (seconds). */
  readonly issuedBefore?: number;
  /** For people and logs. */
  readonly reason?: string;
  /** When it may be forgotten: seconds since 1970. Absent: never. */
  readonly until?: number;
}
