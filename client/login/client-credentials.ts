import { AuthStopError } from "../errors.js";

/** What `clientCredentials` takes. */
export interface ClientCredentialsOptions {
  /** The token endpoint, or the URL of an embedded issuer, whose `/token` is asked then. */
  readonly url: string | URL;
  /** The id of the client. */
  readonly clientId: string;
  /** The secret of the client. */
  readonly clientSecret: string;
  /**
   * The scopes to ask for, with spaces in between.
   * @default all that the client may have
   */
  readonly scope?: string;
  /**
   * More parameters of the request, such as `resource` or `audience`.
   * @default none
   */
  readonly parameters?: Readonly<Record<string, string>>;
}

/** What the function needs of what the SDK gives to `token`. */
export interface CredentialsRequest {
  /** A token other than `previous` is needed. */
  readonly force: boolean;
  /** The token that was given last. */
  readonly previous: string | null;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

const timeoutMs = 5_000;
const tries = 3;
const firstPauseMs = 200;
const leastLifeMs = 10_000; // a token that ends sooner is not given from memory
const final = ["invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type"];

interface Known {
  readonly token: string;
  readonly goodUntil: number;
}

/**
 * Makes the `token` of a program's client: gets tokens for the program itself (RFC 6749 §4.4), and
 * keeps one until shortly before its end. Throws `AuthStopError` when the credentials are refused,
 * so that the client closes.
 *
 * @throws TypeError if an option is missing
 * @example
 * const token = clientCredentials({ url: "https://id.example", clientId, clientSecret });
 * const client = createClient({ url: "wss://api.example/rpc", token });
 */
export function clientCredentials(
  options: ClientCredentialsOptions,
): (request: CredentialsRequest) => Promise<string> {
  const { url, clientId, clientSecret, scope, parameters = {} } = options;
  if (!clientId || !clientSecret)
    throw new TypeError("clientCredentials needs clientId and clientSecret");
  const endpoint = endpointOf(url);
  const body = new URLSearchParams({
    ...parameters,
    grant_type: "client_credentials",
    ...(scope === undefined ? {} : { scope }),
  });
  const id = [clientId, clientSecret].map(formEncoded).join(":");
  const headers = { authorization: `Basic ${btoa(id)}`, accept: "application/json" };
  let known: Known | undefined;
  let running: Promise<Known> | undefined;
  const ask = async (): Promise<Known> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await request(endpoint, headers, body);
      } catch (error) {
        if (error instanceof AuthStopError || attempt === tries) throw error;
        const pauseMs = Math.random() * firstPauseMs * 2 ** attempt;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  };
  return async ({ force, previous, signal }) => {
    const isOther = !force || known?.token !== previous;
    if (known !== undefined && isOther && Date.now() < known.goodUntil) return known.token;
    // several clients of the program may share the function
    running ??= ask().finally(() => {
      running = undefined;
    });
    known = await unlessAborted(running, signal);
    return known.token;
  };
}

function endpointOf(url: string | URL): string {
  const { href, pathname, origin } = new URL(url);
  return pathname === "/" ? `${origin}/token` : href;
}

/** RFC 6749 §2.3.1: id and secret are form-encoded, before they are joined. */
function formEncoded(text: string): string {
  return new URLSearchParams({ "": text }).toString().slice(1);
}

async function request(
  endpoint: string,
  headers: Readonly<Record<string, string>>,
  body: URLSearchParams,
): Promise<Known> {
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await fetch(endpoint, {
    method: "POST",
    headers,
    body,
    signal,
    redirect: "error",
  });
  const answer = await answerOf(response);
  const { access_token, expires_in, error, error_description } = answer;
  if (response.ok && typeof access_token === "string") {
    const lifeMs = typeof expires_in === "number" ? expires_in * 1_000 : 0;
    return { token: access_token, goodUntil: Date.now() + lifeMs - leastLifeMs };
  }
  const text = `${endpoint} answered ${response.status}: ${error_description ?? error ?? "no token"}`;
  if (final.includes(String(error))) throw new AuthStopError(text);
  throw new Error(text);
}

async function answerOf(response: Response): Promise<Readonly<Record<string, unknown>>> {
  try {
    return Object(JSON.parse(await response.text()));
  } catch {
    return {}; // a proxy's page
  }
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
  });
}
