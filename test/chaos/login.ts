import { password, users } from "./node-settings.js";

const answerLimit = 5_000; // 5 s

export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

/** The issuer has said no: not a matter of trying again. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;

  constructor(status: number, text: string) {
    super(`${status} ${text}`);
    this.status = status;
  }
}

/** Logs in one of the users. Rejects with a {@link Refused}, or with what the network met. */
export function login(url: string, user: number, signal?: AbortSignal): Promise<Tokens> {
  return post(url, "/login", { username: `user-${user % users}`, password }, signal);
}

export function refresh(url: string, token: string, signal?: AbortSignal): Promise<Tokens> {
  return post(url, "/token", { grant_type: "refresh_token", refresh_token: token }, signal);
}

/** Ends the login that a refresh token belongs to. It is revoked when this resolves. */
export async function revoke(url: string, token: string): Promise<void> {
  await post(url, "/revoke", { token });
}

async function post(url: string, path: string, body: object, signal?: AbortSignal): Promise<Tokens> {
  const limit = AbortSignal.timeout(answerLimit);
  const response = await fetch(new URL(path, url.replace(/^ws/, "http")), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
  });
  const text = await response.text();
  if (response.status >= 500 || response.status === 429) throw new Error(`unavailable: ${response.status} ${text}`);
  if (!response.ok) throw new Refused(response.status, text);
  return JSON.parse(text) as Tokens;
}
