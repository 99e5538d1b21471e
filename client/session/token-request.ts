/** Why the client asks for a token. */
export type TokenReason =
  /** For a new connection; not after a freeze or the back/forward cache while the token is good. */
  | "connect"
  /** To renew the session in time. */
  | "refresh"
  /** The session has expired. */
  | "expired"
  /** The server refused the previous token. */
  | "refused";

/** The argument of `token()`. */
export interface TokenRequest {
  /** Why the client asks. */
  readonly reason: TokenReason;
  /** `true`: a token other than `previous` is needed, so that a cache is no help. */
  readonly force: boolean;
  /** 1 for the first try, and one more for each after a failure. */
  readonly attempt: number;
  /** The token that was given last, or `null`. */
  readonly previous: string | null;
  /**
   * Aborted after `tokenTimeout`, and when the client closes or reconnects. The client calls
   * `token()` again only after this call has ended.
   */
  readonly signal: AbortSignal;
}

/**
 * Gives an access token. `null` signs out, and so does throwing `AuthStopError`: the client closes.
 * Any other error, and `undefined`, counts as temporary, and the client asks again. The function
 * must not wait for its own client, which waits for the token.
 */
export type TokenCallback = (request: TokenRequest) => Promise<string | null> | string | null;
