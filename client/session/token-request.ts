/** Why the client asks for a token. */
export type TokenReason =
  /** For a new connection; not after a freeze or the back/forward cache while the token is good. */
  | "connect"
  /** To renew the session in time. */
  | "refresh"
  /** The session has expired. */
  | "expired"
  /** The server refused the previous token. */
  | "refused"
  /**
   * A method needs a stronger or a newer login than the session's (RFC 9470), which `acrValues` and
   * `maxAge` say.
   */
  | "step_up";

/** The argument of `token()`. */
export interface TokenRequest {
  /** Why the client asks. */
  readonly reason: TokenReason;
  /** `true`: a token other than `previous` is needed, so that a cache is no help. */
  readonly force: boolean;
  /** 1 for the first try, and one more for each after a failure. */
  readonly attempt: number;
  /**
   * The token that was given last, or `null`; for a `step_up`, the one in force. One that was given
   * for a `step_up` is no other reason's `previous`.
   */
  readonly previous: string | null;
  /**
   * Aborted after `tokenTimeout`, and when the client closes or reconnects. The client calls
   * `token()` again only after this call has ended; but it goes on renewing the session while the
   * user is asked for a `step_up`.
   */
  readonly signal: AbortSignal;
  /**
   * For a `step_up`: the authentication context classes of which the login must meet one, the
   * preferred one first (RFC 9470 §3); absent if any will do.
   */
  readonly acrValues?: readonly string[];
  /**
   * For a `step_up`: how many seconds ago the user may have logged in at most (RFC 9470 §3); absent
   * if that doesn't matter.
   */
  readonly maxAge?: number;
}

/**
 * Gives an access token. `null` signs out, and so does throwing `AuthStopError`: the client closes.
 * Any other error, and `undefined`, counts as temporary, and the client asks again. The function
 * must not wait for its own client, which waits for the token.
 *
 * For a `step_up` none of this signs out or is tried again: the calls that need it reject, and the
 * session goes on, so that the function may make other calls meanwhile.
 */
export type TokenCallback = (request: TokenRequest) => Promise<string | null> | string | null;
