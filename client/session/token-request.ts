export type TokenReason =
  /** For a new connection; not after a freeze or the back/forward cache while the token is good. */
  | "connect"
  /** To renew the session in time. */
  | "refresh"
  /** The session has expired. */
  | "expired"
  /** The server refused the previous token. */
  | "refused";

export interface TokenRequest {
  readonly reason: TokenReason;
  /** `true`: a token other than `previous` is needed, so that a cache is no help. */
  readonly force: boolean;
  /** 1 for the first try, and one more for each after a failure. */
  readonly attempt: number;
  /** The token that was given last, or `null`. */
  readonly previous: string | null;
  /**
   * Aborted after `tokenTimeout`, and when the client closes or reconnects. `token()` is not called
   * again before this call has ended.
   */
  readonly signal: AbortSignal;
}

/**
 * `null`: signed out, the client closes. Throwing `AuthStopError` does the same; anything else that is
 * thrown, and `undefined`, counts as temporary. It must not wait for its own client, which waits
 * for the token.
 */
export type TokenCallback = (request: TokenRequest) => Promise<string | null> | string | null;
