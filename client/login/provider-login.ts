import type { AuthorizationServer, Client, TokenEndpointResponse } from "oauth4webapi";
import { type AccessToken, LoginFailure, pageUrl, subjectOf } from "./session-state.js";

/** An OpenID provider, and how this application is known there. */
export interface ProviderLoginOptions {
  /** The provider's issuer, whose discovery document says all else. https, or on localhost. */
  readonly issuer: string;
  /** The id of this application there: a public client, which has no secret. */
  readonly clientId: string;
  /**
   * Where the provider leads back to, as registered there.
   * @default the page's origin and `/`
   */
  readonly redirectUri?: string;
  /**
   * Where it leads after a logout, as registered there.
   * @default `redirectUri`
   */
  readonly postLogoutRedirectUri?: string;
  /**
   * What the application asks for.
   * @default `openid offline_access`
   */
  readonly scope?: string;
  /**
   * More parameters for the provider, also at its token endpoint: `resource` or `audience` for the
   * access token.
   * @default none
   */
  readonly parameters?: Readonly<Record<string, string>>;
  /**
   * Where refresh tokens are. `local`: in `localStorage`, so that a reload keeps the login and all
   * tabs share it; a script that breaks into the page can read them. `memory`: in this page alone,
   * and a reload needs another `login()`, for which the provider asks no password as a rule.
   * @default `local`
   */
  readonly storage?: "local" | "memory";
}

/** How to log in at the provider this time. */
export interface RedirectOptions {
  /**
   * Path of this origin that is shown after the login.
   * @default where the page is now
   */
  readonly returnTo?: string;
  /** Classes of authentication, of which the provider should use one. */
  readonly acrValues?: readonly string[] | undefined;
  /** The greatest age of the login, seconds; the provider asks the user again if it is older. */
  readonly maxAge?: number | undefined;
  /** `prompt` of OpenID Connect, such as `login` or `none`. */
  readonly prompt?: string | undefined;
}

/** What must be the same when the provider leads back. */
interface Transaction {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly returnTo: string;
  readonly maxAge?: number;
}

interface Kept {
  readonly refreshToken?: string | undefined;
  readonly idToken?: string | undefined;
}

const timeoutMs = 10_000;
const knownOptions = [
  ...["issuer", "clientId", "redirectUri", "postLogoutRedirectUri"],
  ...["scope", "parameters", "storage"],
];

/** Authorization code with PKCE (RFC 7636, OpenID Connect Core §3.1), by oauth4webapi. */
export class ProviderLogin {
  readonly #options: ProviderLoginOptions;
  readonly #client: Client;
  readonly #keptAt: string;
  readonly #loginAt: string;
  #kept: Kept = {};
  #server: Promise<AuthorizationServer> | undefined;

  /** `name`: begins the names of what is stored. Throws `TypeError` for a wrong option. */
  constructor(options: ProviderLoginOptions, name: string) {
    for (const option of Object.keys(options))
      if (!knownOptions.includes(option))
        throw new TypeError(`createSession: provider has no option ${option}`);
    const { protocol, hostname } = new URL(options.issuer);
    const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
    if (protocol !== "https:" && !(protocol === "http:" && isLocal))
      throw new TypeError(`createSession: the provider ${options.issuer} needs https`);
    this.#options = options;
    this.#client = { client_id: options.clientId };
    this.#keptAt = `${name} kept`;
    this.#loginAt = `${name} login`;
  }

  survivesReload(): boolean {
    return this.#options.storage !== "memory" && isStorage(() => localStorage);
  }

  /** Leads the page to the provider. */
  async login(options: RedirectOptions): Promise<void> {
    if (pageUrl() === undefined)
      throw new TypeError("login() leads a page to the provider; call it in a page");
    const { returnTo = location.href.slice(location.origin.length) } = options;
    if (!returnTo.startsWith("/") || new URL(returnTo, location.origin).origin !== location.origin)
      throw new TypeError("returnTo must be a path of this origin");
    const oauth = await oauth4webapi();
    const server = await this.#discovered();
    const endpoint = server.authorization_endpoint;
    if (endpoint === undefined)
      throw new LoginFailure("refused", `${this.#options.issuer} has no authorization endpoint`);
    const transaction: Transaction = {
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier: oauth.generateRandomCodeVerifier(),
      returnTo,
      ...(options.maxAge === undefined ? {} : { maxAge: options.maxAge }),
    };
    sessionStorage.setItem(this.#loginAt, JSON.stringify(transaction));
    const challenge = await oauth.calculatePKCECodeChallenge(transaction.verifier);
    const url = new URL(endpoint);
    const parameters = {
      ...this.#options.parameters,
      client_id: this.#options.clientId,
      redirect_uri: this.#redirectUri,
      response_type: "code",
      scope: this.#options.scope ?? "openid offline_access",
      code_challenge: challenge,
      code_challenge_method: "S256",
      state: transaction.state,
      nonce: transaction.nonce,
      ...(options.maxAge === undefined ? {} : { max_age: String(options.maxAge) }),
      ...(options.acrValues?.length ? { acr_values: options.acrValues.join(" ") } : {}),
      ...(options.prompt === undefined ? {} : { prompt: options.prompt }),
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    location.assign(url);
  }

  /** Does the page's address bring the answer to a login of this tab? */
  isArrival(): boolean {
    const page = pageUrl();
    if (page === undefined) return false;
    const { searchParams } = new URL(page);
    const isAnswer = searchParams.has("code") || searchParams.has("error");
    return isAnswer && this.#transaction()?.state === searchParams.get("state");
  }

  /** Takes the answer in the page's address, which it cleans, and redeems it. */
  async arrive(): Promise<AccessToken> {
    const transaction = this.#transaction();
    const url = new URL(location.href);
    sessionStorage.removeItem(this.#loginAt); // good once
    if (transaction === undefined)
      throw new LoginFailure("refused", "the login was begun elsewhere");
    history.replaceState(history.state, "", transaction.returnTo);
    return this.#asking(async () => {
      const oauth = await oauth4webapi();
      const server = await this.#discovered();
      const answer = oauth.validateAuthResponse(server, this.#client, url, transaction.state);
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        this.#client,
        oauth.None(),
        answer,
        this.#redirectUri,
        transaction.verifier,
        { ...this.#requests(oauth), additionalParameters: this.#parameters },
      );
      const tokens = await oauth.processAuthorizationCodeResponse(server, this.#client, response, {
        expectedNonce: transaction.nonce,
        requireIdToken: true,
        ...(transaction.maxAge === undefined ? {} : { maxAge: transaction.maxAge }),
      });
      return this.#taken(tokens);
    });
  }

  async renew(signal: AbortSignal | undefined): Promise<AccessToken | null> {
    const { refreshToken } = this.#read();
    if (refreshToken === undefined) return null;
    return this.#asking(async () => {
      const oauth = await oauth4webapi();
      const server = await this.#discovered();
      const response = await oauth.refreshTokenGrantRequest(
        server,
        this.#client,
        oauth.None(),
        refreshToken,
        { ...this.#requests(oauth, signal), additionalParameters: this.#parameters },
      );
      try {
        const tokens = await oauth.processRefreshTokenResponse(server, this.#client, response);
        return this.#taken(tokens);
      } catch (error) {
        if (error instanceof oauth.ResponseBodyError && error.error === "invalid_grant")
          return null;
        throw error;
      }
    });
  }

  /** Revokes the refresh token, if the provider can (RFC 7009). */
  async logout(): Promise<"logout"> {
    const { refreshToken } = this.#read();
    if (refreshToken === undefined) return "logout";
    try {
      const oauth = await oauth4webapi();
      const server = await this.#discovered();
      if (server.revocation_endpoint !== undefined)
        await oauth.revocationRequest(
          server,
          this.#client,
          oauth.None(),
          refreshToken,
          this.#requests(oauth),
        );
    } catch {
      // signed out here in any case; the provider ends it by itself
    }
    return "logout";
  }

  /** Where the provider ends the user's login (OpenID Connect RP-Initiated Logout 1.0). */
  async logoutUrl(): Promise<string | undefined> {
    const server = await this.#discovered().catch(() => undefined);
    if (server?.end_session_endpoint === undefined) return undefined;
    const url = new URL(server.end_session_endpoint);
    const { idToken } = this.#read();
    if (idToken !== undefined) url.searchParams.set("id_token_hint", idToken);
    url.searchParams.set("client_id", this.#options.clientId);
    const { postLogoutRedirectUri = this.#redirectUri } = this.#options;
    url.searchParams.set("post_logout_redirect_uri", postLogoutRedirectUri);
    return url.href;
  }

  forget(): void {
    this.#kept = {};
    if (isStorage(() => localStorage)) localStorage.removeItem(this.#keptAt);
  }

  get #redirectUri(): string {
    return this.#options.redirectUri ?? `${location.origin}/`;
  }

  get #parameters(): Record<string, string> {
    return { ...this.#options.parameters };
  }

  #taken(tokens: TokenEndpointResponse): AccessToken {
    const before = this.#read();
    const idToken = tokens.id_token ?? before.idToken;
    this.#keep({ refreshToken: tokens.refresh_token ?? before.refreshToken, idToken });
    return {
      token: tokens.access_token,
      // a provider need not say how long it lives: the server tells the SDK
      expiresAt: Date.now() + (tokens.expires_in ?? 60) * 1_000,
      subject: subjectOf(idToken ?? tokens.access_token),
      scopes: (tokens.scope ?? "").split(" ").filter(Boolean),
    };
  }

  #keep(kept: Kept): void {
    this.#kept = kept;
    if (this.survivesReload()) localStorage.setItem(this.#keptAt, JSON.stringify(kept));
  }

  /** What this tab or another has kept last. */
  #read(): Kept {
    if (!this.survivesReload()) return this.#kept;
    return parsed(localStorage.getItem(this.#keptAt)) as Kept;
  }

  #transaction(): Transaction | undefined {
    if (!isStorage(() => sessionStorage)) return undefined;
    const transaction = parsed(sessionStorage.getItem(this.#loginAt)) as Partial<Transaction>;
    return typeof transaction.state === "string" ? (transaction as Transaction) : undefined;
  }

  #discovered(): Promise<AuthorizationServer> {
    this.#server ??= this.#discover().catch((error: unknown) => {
      this.#server = undefined;
      throw error;
    });
    return this.#server;
  }

  #discover(): Promise<AuthorizationServer> {
    return this.#asking(async () => {
      const oauth = await oauth4webapi();
      const issuer = new URL(this.#options.issuer);
      const response = await oauth.discoveryRequest(issuer, this.#requests(oauth));
      return oauth.processDiscoveryResponse(issuer, response);
    });
  }

  #requests(oauth: typeof import("oauth4webapi"), signal?: AbortSignal) {
    const limit = AbortSignal.timeout(timeoutMs);
    return {
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      [oauth.allowInsecureRequests]: this.#options.issuer.startsWith("http:"), // localhost
    };
  }

  async #asking<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof LoginFailure) throw error;
      const { code, error_description } = Object(error) as {
        readonly code?: unknown;
        readonly error_description?: unknown;
      };
      // network, timeout and 5xx have no code of OAuth's
      const isFinal = typeof code === "string" && code.startsWith("OAUTH_");
      const text = `${this.#options.issuer}: ${error_description ?? (error as Error)?.message ?? error}`;
      throw new LoginFailure(isFinal ? "refused" : "unavailable", text, undefined, error);
    }
  }
}

async function oauth4webapi(): Promise<typeof import("oauth4webapi")> {
  try {
    return await import("oauth4webapi");
  } catch (error) {
    const text = "createSession({ provider }) needs the package: npm install oauth4webapi";
    throw new LoginFailure("refused", text, undefined, error);
  }
}

/** Where the user blocks storage, to look at it throws. */
function isStorage(storage: () => Storage): boolean {
  try {
    return typeof storage().getItem === "function";
  } catch {
    return false;
  }
}

function parsed(text: string | null): object {
  try {
    return Object(JSON.parse(text ?? "{}"));
  } catch {
    return {}; // another version's
  }
}
