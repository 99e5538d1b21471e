/** What was revoked. Exactly one of `jti`, `sessionId` and `subject` is set. */
export interface Revocation {
  /** The issuer whose tokens are meant; absent: every issuer's. */
  readonly issuer?: string;
  /** One token, by its `jti`. */
  readonly jti?: string;
  /** The `sid` claim. */
  readonly sessionId?: string;
  /** All tokens of a subject. */
  readonly subject?: string;
  /**
   * With `jti`: the `sid` of that token. Once that session is revoked for as long, the token's own
   * revocation is not kept.
   */
  readonly tokenOf?: string;
  /** With `subject`: tokens with `iat <= issuedBefore` (seconds). */
  readonly issuedBefore?: number;
  /**
   * When live sessions end: milliseconds since 1970. Until then their clients may send a newer
   * token. Absent: at once.
   */
  readonly enforceAt?: number;
  /** For people and logs. */
  readonly reason?: string;
  /** When it may be forgotten: seconds since 1970. Absent: never. */
  readonly until?: number;
}

/**
 * Hears of a revocation. `announcedAt`: when another process announced it, milliseconds since 1970
 * by the store's clock; absent where nobody knows: this process did, or it was read with all the
 * others.
 */
export type RevocationListener = (revocation: Revocation, announcedAt?: number) => void;

/**
 * Where revocations are kept: the part of a store that verification needs. As in all of a store,
 * each method is one atomic operation.
 */
export interface RevocationRecords {
  /**
   * Nothing happens when what is kept for the same target reaches at least as far: repeating a
   * revocation costs no space.
   */
  add(revocation: Revocation): Promise<void>;
  /** Those still to be remembered at `now`. */
  list(now: number): Promise<readonly Revocation[]>;
  /** Forgets what need not be remembered at `now`. Absent: that is done without asking. */
  sweep?(now: number): Promise<void>;
  /**
   * Tells of each revocation added by any process, from now on; a repeated one is not told again.
   * Returns the function that stops it.
   */
  subscribe(listener: RevocationListener): () => void;
  /**
   * The time by the store's own clock, in seconds; undefined: not known now. By it nothing is
   * forgotten too early. Absent: it has no clock.
   */
  now?(): number | undefined;
  /**
   * Resolves once listeners have seen every revocation that was made more than one second ago.
   * Rejects when that is not known: no token may be accepted then. Absent: always so.
   */
  whenCurrent?(): Promise<void>;
}
