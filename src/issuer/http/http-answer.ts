import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { IssuerRequestContext } from "../../auth/issuer-port.js";
import type { TokenSet } from "../tokens/grants.js";
import { OAuthError } from "./oauth-error.js";

/** What is sent back. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const documentAge = 300; // s; at most the time for which a key is published before it signs
const preflightAge = 600; // s

/** Allowed only where every page is: a cookie needs a list of pages. */
export const anyOrigin = "https://any.invalid";

export const emptyAnswer: Answer = {
  status: 200,
  headers: { "Cache-Control": "no-store", "Content-Type": "application/json" },
  body: "{}",
};

export function withHeaders(answer: Answer, headers: Readonly<Record<string, string>>): Answer {
  return { ...answer, headers: { ...answer.headers, ...headers } };
}

export function tooMany(what: string, retryAfter: number): Answer {
  const headers = { "Retry-After": String(retryAfter) };
  return errorAnswer(
    new OAuthError(
      429,
      "temporarily_unavailable",
      `${what}: try again in ${retryAfter} s.`,
      headers,
    ),
  );
}

export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

export function scopeRefused(): OAuthError {
  return new OAuthError(400, "invalid_scope", "Ask for no more scopes than were granted.");
}

export function tokenAnswer({
  token,
  refreshToken,
  expiresIn,
  scopes,
}: Omit<TokenSet, "refreshToken"> & { refreshToken?: string }): Answer {
  const body = {
    access_token: token,
    token_type: "Bearer",
    expires_in: expiresIn / 1_000,
    refresh_token: refreshToken,
    scope: scopes.join(" "),
  };
  return { status: 200, headers: uncached, body: JSON.stringify(body) };
}

/** RFC 6749 §5.1 */
const uncached = {
  "Content-Type": "application/json",
  "Cache-Control": "no-store",
  Pragma: "no-cache",
};

export function errorAnswer({ status, code, message, headers }: OAuthError): Answer {
  return {
    status,
    headers: { ...uncached, ...headers },
    body: JSON.stringify({ error: code, error_description: message }),
  };
}

export function documentAnswer(request: IncomingMessage, document: object): Answer {
  const body = JSON.stringify(document);
  const tag = `"${createHash("sha256").update(body).digest("base64url")}"`;
  const headers = {
    "Content-Type": "application/json",
    "Cache-Control": `public, max-age=${documentAge}`,
    ETag: tag,
  };
  const known = request.headers["if-none-match"]
    ?.split(",")
    .map((candidate) => candidate.trim().replace(/^W\//, ""));
  return known?.includes(tag) ? { status: 304, headers, body: "" } : { status: 200, headers, body };
}

export function preflight(methods: readonly string[]): Answer {
  const allowed = [...methods, "OPTIONS"].join(", ");
  return {
    status: 204,
    headers: { Allow: allowed, "Access-Control-Allow-Methods": allowed },
    body: "",
  };
}

/** Credentials are allowed to pages that are listed, and only where a cookie may come. */
export function corsHeaders(
  { headers: { origin }, method }: IncomingMessage,
  context: IssuerRequestContext,
  allowsCookie: boolean,
): Record<string, string> {
  if (origin === undefined || !context.mayReadFrom(origin)) return { Vary: "Origin" };
  const isListed = allowsCookie && !context.mayReadFrom(anyOrigin);
  const readable = {
    Vary: "Origin",
    "Access-Control-Allow-Origin": origin,
    ...(isListed ? { "Access-Control-Allow-Credentials": "true" } : {}),
  };
  if (method !== "OPTIONS") return { ...readable, "Access-Control-Expose-Headers": "Retry-After" };
  const allowed = {
    "Access-Control-Allow-Headers": "Content-Type, Authorization",
    "Access-Control-Max-Age": String(preflightAge),
  };
  return { ...readable, ...allowed };
}

export function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: Answer,
): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    ...headers,
    "X-Content-Type-Options": "nosniff",
    ...(body === "" ? {} : { "Content-Length": String(Buffer.byteLength(body)) }),
  });
  response.end(body);
  // what is left of a body that is too large or too slow is thrown away until the socket closes
  request.resume();
}
