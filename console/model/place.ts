/** URLs of the server's endpoints, which have the page's own origin. */
export interface Place {
  /** URL of the WebSocket. */
  readonly socket: string;
  /**
   * Base URL of the embedded issuer's endpoints, without a trailing slash; null without an embedded
   * issuer.
   */
  readonly issuer: string | null;
}

/**
 * Reads the paths that the server wrote into the page: `data-rpc` and, with an embedded issuer,
 * `data-issuer`.
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
