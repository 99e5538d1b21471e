/** Asks an authentication server for tokens. */
import { isLoopback } from "../../runtime/ip-address.js";
import { CliError, messageOf } from "../cli-error.js";

export interface TokenAnswer {
  readonly access_token: string;
  readonly [member: string]: unknown;
}

const timeoutMs = 10_000; // 10 s

/**
 * First-party login of a user. `base`: the issuer's URL. Throws a `CliError` `authentication` or
 * `connection`.
 */
export function login(base: string, username: string, password: string): Promise<TokenAnswer> {
  return post(`${base.replace(/\/$/, "")}/login`, { username, password });
}

/**
 * The next tokens of the same login, which a login every few minutes would leave behind. Resolves
 * to `undefined` if the login is over. Throws a `CliError` `connection`.
 */
export async function renewLogin(
  base: string,
  { refresh_token: refreshToken }: TokenAnswer,
): Promise<TokenAnswer | undefined> {
  if (typeof refreshToken !== "string") return undefined;
  const parameters = { grant_type: "refresh_token", refresh_token: refreshToken };
  try {
    return await post(`${base.replace(/\/$/, "")}/token`, parameters);
  } catch (error) {
    if (error instanceof CliError && error.kind === "authentication") return undefined;
    throw error;
  }
}

/** A program's own token (RFC 6749 §4.4). Throws as {@link login} does. */
export function clientCredentials(
  base: string,
  clientId: string,
  clientSecret: string,
): Promise<TokenAnswer> {
  const credentials = Buffer.from(
    `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`,
  ).toString("base64");
  return post(
    `${base.replace(/\/$/, "")}/token`,
    { grant_type: "client_credentials" },
    { Authorization: `Basic ${credentials}` },
  );
}

/**
 * Throws a `CliError` if the text is not a URL of these protocols, or a secret would go there
 * unencrypted.
 */
export function checkUrl(
  text: string,
  protocols: readonly string[],
  isSecret: boolean,
  allowInsecure: boolean,
): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !protocols.includes(url.protocol)) {
    throw new CliError(
      "usage",
      `"${text}" is not a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`,
    );
  }
  const isClear = url.protocol === "http:" || url.protocol === "ws:";
  if (isSecret && isClear && !isLoopback(url.hostname) && !allowInsecure) {
    throw new CliError(
      "configuration",
      `secrets would cross the network unencrypted to ${url.host}; use https or wss, or set --allow-insecure`,
    );
  }
  return url;
}

async function post(
  url: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<TokenAnswer> {
  const response = await request(url, body, headers);
  const answer = await answerOf(response);
  if (response.ok && typeof answer.access_token === "string")
    return { ...answer, access_token: answer.access_token };
  const { error, error_description: description } = answer;
  if (response.status === 400 || response.status === 401) {
    throw new CliError(
      "authentication",
      `${url} refused (${String(error ?? response.status)}): ${String(description ?? "without a reason")}`,
    );
  }
  throw new CliError(
    "connection",
    `${url} answered ${response.status}: ${String(description ?? "no token; is this the URL of the issuer?")}`,
  );
}

async function request(
  url: string,
  body: object,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const options = {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  };
  try {
    return await fetch(url, {
      ...options,
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new CliError(
      "connection",
      `cannot reach ${url} (${causeText(cause)}); is the server running?`,
    );
  }
}

/** Several addresses of one name fail as an AggregateError without a message. */
function causeText(cause: unknown): string {
  return cause instanceof AggregateError
    ? cause.errors.map(messageOf).join(", ")
    : messageOf(cause);
}

async function answerOf(response: Response): Promise<Readonly<Record<string, unknown>>> {
  try {
    return Object((await response.json()) as unknown) as Record<string, unknown>;
  } catch {
    return {}; // no JSON: the status says enough
  }
}
