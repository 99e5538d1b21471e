/**
 * An error answer in OAuth's shape (RFC 6749 §5.2). The description has no quotes and backslashes,
 * as the RFC wants.
 */
export class OAuthError extends Error {
  override readonly name = "OAuthError";
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    description: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(description);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export function invalidRequest(description: string): OAuthError {
  return new OAuthError(400, "invalid_request", description);
}
