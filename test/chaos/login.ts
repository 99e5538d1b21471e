import { setTimeout as pause } from "node:timers/promises";
import { password, users } from "./node-settings.js";

const answerLimit = 2_500; // 2.5 s: several attempts fit into the issuer's reuse window of 10 s
const repeatFor = 7_000; // 7 s from the first attempt: a later one could end after the window
const breath = 100; // ms between two attempts

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

/** `limitMs`: for the answer. */
export function refresh(
  url: string,
  token: string,
  signal?: AbortSignal,
  limitMs = answerLimit,
): Promise<Tokens> {
  const body = { grant_type: "refresh_token", refresh_token: token };
  return post(url, "/token", body, signal, limitMs);
}

/**
 * Asks until there is an answer, as the README advises: the token may be spent though its answer
 * was lost, and within the reuse window the same answer is given again. Rejects with a
 * {@link Refused}, with what the last attempt met, or with what aborted it.
 */
export async function refreshSurely(
  attempt: () => Promise<Tokens>,
  signal: AbortSignal,
): Promise<Tokens> {
  const endsAt = performance.now() + repeatFor;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof Refused || signal.aborted || performance.now() >= endsAt) throw error;
    }
    await pause(breath, undefined, { signal });
  }
}

/** Ends the login that a refresh token belongs to. It is revoked when this resolves. */
export async function revoke(url: string, token: string): Promise<void> {
  await post(url, "/revoke", { token });
}

async function post(
  url: string,
  path: string,
  body: object,
  signal?: AbortSignal,
  limitMs = answerLimit,
): Promise<Tokens> {
  using limit = new AnswerLimit(signal, limitMs);
  const response = await fetch(new URL(path, url.replace(/^ws/, "http")), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: limit.signal,
  });
  const text = await response.text();
  if (response.status >= 500 || response.status === 429)
    throw new Error(`unavailable: ${response.status} ${text}`);
  if (!response.ok) throw new Refused(response.status, text);
  return JSON.parse(text) as Tokens;
}

/**
 * Not by `AbortSignal.any`: in Node 20 a signal of `AbortSignal.timeout` that nobody else holds is
 * collected before it fires.
 */
class AnswerLimit implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #also: AbortSignal | undefined;

  constructor(also: AbortSignal | undefined, limitMs: number) {
    this.#timer = setTimeout(
      () => this.#controller.abort(new Error(`no answer within ${limitMs} ms`)),
      limitMs,
    );
    this.#also = also;
    if (also?.aborted) this.#abort();
    also?.addEventListener("abort", this.#abort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#also?.removeEventListener("abort", this.#abort);
  }

  readonly #abort = (): void => this.#controller.abort(this.#also?.reason);
}
