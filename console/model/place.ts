/** Where the server's endpoints are: always on the page's own origin. */
export interface Place {
  /** URL of the WebSocket. */
  readonly socket: string;
  /**
   * Base URL of the embedded issuer's endpoints, without a slash at its end; null: there is none,
   * tokens come from elsewhere.
   */
  readonly issuer: string | null;
}

/**
 * Reads what the server wrote into the page: `data-rpc` and, with an embedded issuer,
 * `data-issuer`, both paths.
 */
export function placeFrom(
  data: Readonly<Record<string, string | undefined>>,
  { protocol, host, origin }: Location,
): Place {
  const scheme = protocol === "https:" ? "wss:" : "ws:";
  return {
    socket: `${scheme}//${host}${data.rpc ?? "/rpc"}`,
    issuer: data.issuer === undefined ? null : `${origin}${data.issuer.replace(/\/$/, "")}`,
  };
}
