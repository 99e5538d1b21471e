import { membersOf, stringIn } from "../message.js";

/** Tokens in hand. `refresh` is absent for a pasted access token. */
export interface Tokens {
  readonly access: string;
  readonly refresh?: string | undefined;
}

/** The issuer said no; trying again unchanged is of no use. */
export class TokenRefusal extends Error {
  override readonly name = "TokenRefusal";
}

/** The embedded issuer over HTTP (RFC 6749 §5, RFC 7009). */
export interface TokenEndpoint {
  /** Throws a {@link TokenRefusal} for a wrong password, another error when there is no answer. */
  logIn(username: string, password: string): Promise<Tokens>;
  /** Throws a {@link TokenRefusal} when the refresh token is of no use any more. */
  refresh(refreshToken: string, signal: AbortSignal): Promise<Tokens>;
  /** Ends the login that a refresh token belongs to, or one access token. */
  revoke(token: string): Promise<void>;
}

// 3 s for one answer: the same refresh token is good again for one that was lost, but for 10 s
// only, and theft after that
const timeoutMs = 3_000;

/**
 * `told` hears of every request: its path, its status (0: no answer), its milliseconds. Never of
 * what was sent.
 */
export function createTokenEndpoint(
  base: string,
  told: (path: string, status: number, took: number) => void,
): TokenEndpoint {
  const ask = async (path: string, body: string, signal: AbortSignal | null) => {
    const started = performance.now();
    const tell = (status: number) => told(path, status, performance.now() - started);
    const request = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
      signal,
    };
    const response = await fetch(`${base}${path}`, {
      ...request,
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    }).catch((error: unknown) => {
      tell(0);
      if (!(error instanceof TypeError)) throw error; // aborted
      throw new Error("Can't reach the server. Is it running?", { cause: error });
    });
    tell(response.status);
    return { response, answer: membersOf(await response.json()) };
  };

  /**
   * `signal`: the request may be made again when there is no answer, or half of one, and is, once.
   */
  const post = async (
    path: string,
    members: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ) => {
    // a cookie would be the login of all pages of this origin, and this one is the tab's
    const body = JSON.stringify({ ...members, cookie: "false" });
    const limited = () =>
      ask(path, body, signal ? AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) : null);
    const { response, answer } = await limited().catch((error: unknown) => {
      if (signal === undefined || signal.aborted) throw error;
      return limited();
    });
    if (response.ok) return answer;
    const message = stringIn(answer.error_description) ?? `${path} answered ${response.status}`;
    throw response.status === 400 || response.status === 401
      ? new TokenRefusal(message)
      : new Error(message);
  };

  return {
    logIn: async (username, password) => tokensIn(await post("/login", { username, password })),
    refresh: async (refreshToken, signal) =>
      tokensIn(
        await post("/token", { grant_type: "refresh_token", refresh_token: refreshToken }, signal),
      ),
    async revoke(token) {
      await post("/revoke", { token });
    },
  };
}

function tokensIn(answer: Readonly<Record<string, unknown>>): Tokens {
  const access = stringIn(answer.access_token);
  if (access === undefined) throw new Error("The answer has no access token");
  return { access, refresh: stringIn(answer.refresh_token) };
}
