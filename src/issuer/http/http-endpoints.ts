import type { IncomingMessage, ServerResponse } from "node:http";
import type { IssuerRequestContext } from "../../auth/issuer-port.js";
import { whenHangUpIsHeard } from "../../auth/session/hang-up.js";
import { type ClientDirectory, subjectOfClient } from "../accounts/client-directory.js";
import { TooManyFailuresError } from "../accounts/failed-logins.js";
import { BusyError } from "../accounts/hashing-queue.js";
import { tokenOutdated } from "../accounts/password-token.js";
import { isWithin, scopesOf } from "../accounts/scope-rules.js";
import { TooManyTokensError } from "../accounts/subject-budget.js";
import type { UserDirectory } from "../accounts/user-directory.js";
import type { IssuerSettings } from "../issuer-options.js";
import type { AccessTokens } from "../tokens/access-token.js";
import type { GrantOutcome, Grants } from "../tokens/grants.js";
import type { SigningKeys } from "../tokens/signing-keys.js";
import { authenticateClient, invalidClient } from "./client-authentication.js";
import {
  type Answer,
  anyOrigin,
  corsHeaders,
  documentAnswer,
  emptyAnswer,
  errorAnswer,
  preflight,
  scopeRefused,
  send,
  sentence,
  tokenAnswer,
  tooMany,
  withHeaders,
} from "./http-answer.js";
import { flagIn, type Parameters, readParameters, required } from "./http-body.js";
import { invalidRequest, OAuthError } from "./oauth-error.js";
import { RefreshCookie } from "./refresh-cookie.js";

/** What the endpoints work with. */
export interface EndpointParts {
  readonly settings: IssuerSettings;
  readonly sessions: Grants;
  readonly clients: ClientDirectory;
  readonly users: UserDirectory;
  readonly accessTokens: AccessTokens;
  readonly keys: SigningKeys;
}

/** Who asks for or with tokens. */
interface Caller {
  readonly address: string;
  /** A page that keeps its refresh token in a cookie. */
  readonly isPage: boolean;
  /** From the body, or from the cookie of a page. */
  readonly refreshToken: string | undefined;
}

/** The issuer over HTTP: a request, an answer. Nothing is thrown out of it. */
export class HttpEndpoints {
  readonly #parts: EndpointParts;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #ownOrigin: string;
  readonly #cookie: RefreshCookie;

  constructor(parts: EndpointParts) {
    this.#parts = parts;
    this.#routes = routesOf(parts.settings.issuer);
    this.#ownOrigin = new URL(parts.settings.issuer).origin;
    this.#cookie = new RefreshCookie(parts.settings.issuer, parts.settings.refreshIdleTtl);
  }

  /** False: not one of ours, nothing was written. */
  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    context: IssuerRequestContext,
  ): Promise<boolean> {
    const route = this.#routes.get((request.url ?? "").replace(/\?.*$/s, ""));
    if (route === undefined) return false;
    const allowsCookie = this.#parts.settings.cookie && !isDowngraded(request, this.#ownOrigin);
    const cors = corsHeaders(request, context, allowsCookie);
    const answer = await this.#answer(route, request, context).catch((error: unknown) =>
      this.#errorAnswer(error),
    );
    send(request, response, { ...answer, headers: { ...answer.headers, ...cors } });
    return true;
  }

  async #answer(
    route: Route,
    request: IncomingMessage,
    context: IssuerRequestContext,
  ): Promise<Answer> {
    const methods = route === "jwks" || route === "metadata" ? ["GET", "HEAD"] : ["POST"];
    if (request.method === "OPTIONS") return preflight(methods);
    if (!methods.includes(request.method ?? "")) {
      throw new OAuthError(405, "invalid_request", `Use ${methods.join(" or ")}.`, {
        Allow: [...methods, "OPTIONS"].join(", "),
      });
    }
    if (route === "jwks") return documentAnswer(request, await this.#parts.keys.publicKeys());
    if (route === "metadata")
      return documentAnswer(request, metadataOf(this.#parts.settings.issuer));
    this.#mustNotBeForeign(request, context);
    const parameters = await readParameters(request, this.#parts.settings.clock);
    await mustBeThere(request);
    const caller = this.#callerOf(request, parameters, context);
    if (route === "login") return this.#login(parameters, caller);
    if (route === "password") return this.#setPassword(parameters, caller);
    if (route === "token") return this.#token(request, parameters, caller);
    if (route === "logout") return this.#logout(parameters, caller);
    return this.#revoke(parameters, context.address);
  }

  /**
   * Refuses a form or fetch of a page that may not read the answer, before anything of it is read
   * or counted: its visitors' browsers would fail logins in their name. Only browsers send these
   * headers, and no page can choose them (Fetch §3.2, Fetch Metadata §2.2).
   */
  #mustNotBeForeign(
    { headers: { origin, "sec-fetch-site": site }, url }: IncomingMessage,
    context: IssuerRequestContext,
  ): void {
    const isOwn = site === "same-origin" || origin === this.#ownOrigin;
    const isForeign =
      origin === undefined
        ? site === "cross-site" || site === "same-site"
        : !isOwn && !context.mayReadFrom(origin);
    if (!isForeign) return;
    const { logger } = this.#parts.settings;
    logger.debug(
      { event: "origin.refuse", origin, path: url, address: context.address },
      "a page of another origin may not post here",
    );
    const page =
      origin !== undefined && URL.canParse(origin)
        ? `origin ${new URL(origin).origin}`
        : "this origin";
    throw new OAuthError(
      403,
      "forbidden",
      `Pages of ${page} may not post here: add it to the option origins of createServer, or of createIssuer for issuer.handler.`,
      { Connection: "close" },
    );
  }

  /**
   * Who asks, and with which refresh token. A cookie counts only from a page that is known:
   * browsers send it along whatever page asks, and name that page in `Origin`. A page that keeps
   * its refresh token itself says so (`cookie=false`); its cookie is neither read nor set, so that
   * no script gets at the token in it.
   */
  #callerOf(
    request: IncomingMessage,
    parameters: Parameters,
    { address, mayReadFrom }: IssuerRequestContext,
  ): Caller {
    const { origin, "sec-fetch-site": site } = request.headers;
    const given = parameters.get("refresh_token");
    const wantsCookie = flagIn(parameters, "cookie", true);
    if (!this.#parts.settings.cookie || !wantsCookie || origin === undefined)
      return { address, isPage: false, refreshToken: given };
    const isOwn = site === "same-origin" || origin === this.#ownOrigin;
    if (!isOwn && isDowngraded(request, this.#ownOrigin))
      throw new OAuthError(403, "forbidden", "A cookie needs a page with https.");
    if (!isOwn && mayReadFrom(anyOrigin))
      throw new OAuthError(
        403,
        "forbidden",
        "A cookie needs a list of pages: name them in the option origins, instead of any page.",
      );
    return { address, isPage: true, refreshToken: given ?? this.#cookie.read(request) };
  }

  /** What a login or refresh came to; for a page with the refresh token in its cookie. */
  #granted(outcome: GrantOutcome, refusal: string, { isPage }: Caller): Answer {
    if (outcome.outcome === "scope_refused") throw scopeRefused();
    if (outcome.outcome === "password_refused")
      throw new OAuthError(400, "invalid_password", sentence(outcome.why));
    if (outcome.outcome !== "granted") throw new OAuthError(400, "invalid_grant", refusal);
    const { refreshToken, ...access } = outcome.tokens;
    if (!isPage) return tokenAnswer(outcome.tokens);
    return withHeaders(tokenAnswer(access), { "Set-Cookie": this.#cookie.keep(refreshToken) });
  }

  async #login(parameters: Parameters, caller: Caller): Promise<Answer> {
    const outcome = await this.#parts.sessions.login(
      required(parameters, "username"),
      required(parameters, "password"),
      caller.address,
    );
    return this.#granted(outcome, "Wrong username or password.", caller);
  }

  async #setPassword(parameters: Parameters, caller: Caller): Promise<Answer> {
    const outcome = await this.#parts.sessions.setPassword(
      required(parameters, "password_token"),
      required(parameters, "password"),
      caller.address,
    );
    return this.#granted(outcome, sentence(tokenOutdated), caller);
  }

  /**
   * Ends the login of a refresh token; one that is unknown has nothing to end. With `everywhere`
   * ends all logins of its user, and says so when it can't know whose.
   */
  async #logout(
    parameters: Parameters,
    { refreshToken, address, isPage }: Caller,
  ): Promise<Answer> {
    const { sessions, settings, users } = this.#parts;
    if (flagIn(parameters, "everywhere", false)) {
      const subject = await sessions.subjectOf(refreshToken ?? "");
      if (subject === undefined) throw new OAuthError(400, "invalid_grant", outdated);
      await sessions.spend("revoke", subject, address);
      await users.endSessions(subject);
    } else if (refreshToken !== undefined) {
      const subject = await sessions.revoke(refreshToken, address);
      if (subject !== undefined)
        settings.logger.info({ event: "logout", subject, address }, "a user logged out");
    }
    return isPage ? withHeaders(emptyAnswer, { "Set-Cookie": this.#cookie.remove() }) : emptyAnswer;
  }

  async #token(request: IncomingMessage, parameters: Parameters, caller: Caller): Promise<Answer> {
    const grantType = required(parameters, "grant_type");
    if (grantType === "refresh_token") return this.#refresh(request, parameters, caller);
    if (grantType === "client_credentials")
      return this.#clientCredentials(request, parameters, caller.address);
    throw new OAuthError(
      400,
      "unsupported_grant_type",
      "Use refresh_token or client_credentials; users log in at /login.",
    );
  }

  async #refresh(
    request: IncomingMessage,
    parameters: Parameters,
    caller: Caller,
  ): Promise<Answer> {
    const { refreshToken, address } = caller;
    if (refreshToken === undefined || refreshToken === "") throw this.#noRefreshToken(caller);
    const client = await authenticateClient(request, parameters, this.#parts.clients);
    const asked = parameters.get("scope");
    const outcome = await this.#parts.sessions.refresh(refreshToken, {
      clientId: client?.clientId ?? parameters.get("client_id"),
      scopes: asked === undefined ? undefined : scopesOf(asked),
      address,
    });
    return this.#granted(outcome, outdated, caller);
  }

  #noRefreshToken({ isPage }: Caller): OAuthError {
    if (isPage)
      return new OAuthError(400, "invalid_grant", "No cookie with a refresh token came: log in.");
    const hint = this.#parts.settings.cookie
      ? "A cookie is good for pages of known origins alone."
      : "For one in a cookie, set the option cookie of createIssuer.";
    return invalidRequest(`The parameter refresh_token is missing. ${hint}`);
  }

  async #clientCredentials(
    request: IncomingMessage,
    parameters: Parameters,
    address: string,
  ): Promise<Answer> {
    const { accessTokens, clients, sessions, settings } = this.#parts;
    const client = await authenticateClient(request, parameters, clients);
    if (client === undefined)
      throw invalidClient(
        "Show client id and secret, in an Authorization header (Basic) or in the body.",
      );
    const asked = parameters.get("scope");
    const scopes = asked === undefined ? client.scopes : scopesOf(asked);
    if (!isWithin(scopes, client.scopes)) throw scopeRefused();
    const subject = subjectOfClient(client.clientId);
    await sessions.spend("client", subject, address);
    const now = Math.floor(settings.clock.now() / 1_000);
    const lifetime = Math.floor(settings.accessTokenTtl / 1_000);
    const token = await accessTokens.sign({
      subject,
      clientId: client.clientId,
      ...{ scopes, claims: {}, issuedAt: now, expiresAt: now + lifetime },
    });
    settings.logger.info({ event: "client.ok", clientId: client.clientId }, "a client got a token");
    return tokenAnswer({ token, expiresIn: lifetime * 1_000, scopes });
  }

  /** RFC 7009: 200 for whatever isn't, or isn't any more, a token. */
  async #revoke(parameters: Parameters, address: string): Promise<Answer> {
    const { sessions, settings } = this.#parts;
    const token = required(parameters, "token");
    const subject =
      (await sessions.revokeAccess(token, address)) ?? (await sessions.revoke(token, address));
    if (subject !== undefined)
      settings.logger.info(
        { event: "revoke", subject, address },
        "a token was revoked by its holder",
      );
    return emptyAnswer;
  }

  #errorAnswer(error: unknown): Answer {
    if (error instanceof OAuthError) return errorAnswer(error);
    if (error instanceof BusyError) return tooMany("Too many logins at once", error.retryAfter);
    if (error instanceof TooManyFailuresError)
      return tooMany("Too many failed logins from your address", error.retryAfter);
    if (error instanceof TooManyTokensError)
      return tooMany("Too many tokens of one user", error.retryAfter);
    this.#parts.settings.logger.error(
      { event: "issuer.unavailable", err: error },
      "the issuer could not answer",
    );
    return errorAnswer(
      new OAuthError(503, "temporarily_unavailable", "The store can not be reached: try again.", {
        "Retry-After": "1",
      }),
    );
  }
}

/**
 * Throws when the peer has hung up. Either side's end counts, since Node ends its own with the
 * peer's.
 */
async function mustBeThere({ socket }: IncomingMessage): Promise<void> {
  await whenHangUpIsHeard();
  if (socket.destroyed || socket.readableEnded || socket.writableEnded)
    throw invalidRequest("The connection was closed before the answer.");
}

const outdated = "The refresh token is not valid any more: log in again.";

/**
 * Is it a page of this host, but without the TLS that the issuer has? Whoever is between a browser
 * and the host can show one, and not every browser keeps `SameSite` cookies from it.
 */
function isDowngraded({ headers }: IncomingMessage, ownOrigin: string): boolean {
  return ownOrigin.startsWith("https:") && headers.origin === `http://${headers.host}`;
}

type Route = "login" | "password" | "logout" | "token" | "revoke" | "jwks" | "metadata";

/**
 * Paths of the issuer's endpoints: below the path of its URL; its metadata where RFC 8414 §3 puts
 * them.
 */
function routesOf(issuer: string): ReadonlyMap<string, Route> {
  const base = new URL(issuer).pathname.replace(/\/$/, "");
  return new Map([
    [`${base}/login`, "login"],
    [`${base}/password`, "password"],
    [`${base}/logout`, "logout"],
    [`${base}/token`, "token"],
    [`${base}/revoke`, "revoke"],
    [`${base}/.well-known/jwks.json`, "jwks"],
    [`/.well-known/oauth-authorization-server${base}`, "metadata"],
  ]);
}

/** RFC 8414 §2 */
function metadataOf(issuer: string): object {
  const base = issuer.replace(/\/$/, "");
  const clientMethods = ["client_secret_basic", "client_secret_post", "none"];
  return {
    issuer,
    token_endpoint: `${base}/token`,
    revocation_endpoint: `${base}/revoke`,
    jwks_uri: `${base}/.well-known/jwks.json`,
    response_types_supported: [],
    grant_types_supported: ["refresh_token", "client_credentials"],
    token_endpoint_auth_methods_supported: clientMethods,
    revocation_endpoint_auth_methods_supported: ["none"],
  };
}
