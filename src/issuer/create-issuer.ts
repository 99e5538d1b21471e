import type { IncomingMessage, ServerResponse } from "node:http";
import type {
  IssuerCounts,
  IssuerPort,
  IssuerRequestContext,
  StoreObserver,
} from "../auth/issuer-port.js";
import type { RenewedTokens } from "../auth/provider-options.js";
import { TokenRefusedError } from "../auth/refusal.js";
import type { RevocationListener } from "../auth/revocation/revocation.js";
import { fireAndForget, withTimeout } from "../runtime/application-code.js";
import { RateLimitedLog } from "../runtime/rate-limited-log.js";
import type { Store } from "../store/store.js";
import { TimedStore } from "../store/timed-store.js";
import { ClientDirectory } from "./accounts/client-directory.js";
import { TooManyFailuresError } from "./accounts/failed-logins.js";
import { BusyError, HashingQueue } from "./accounts/hashing-queue.js";
import { LoginError } from "./accounts/login-error.js";
import { tokenOutdated } from "./accounts/password-token.js";
import { TooManyTokensError } from "./accounts/subject-budget.js";
import { UserDirectory } from "./accounts/user-directory.js";
import { HttpEndpoints } from "./http/http-endpoints.js";
import {
  type IssuerOptions,
  type IssuerSettings,
  longestAccessToken,
  settingsOf,
} from "./issuer-options.js";
import { Revoker } from "./revoker.js";
import { AccessTokens } from "./tokens/access-token.js";
import { type GrantOutcome, Grants, type TokenSet } from "./tokens/grants.js";
import { Housekeeping } from "./tokens/housekeeping.js";
import { SigningKeys, signingAlgorithm } from "./tokens/signing-keys.js";

/** An authentication server, which issues tokens for credentials. */
export interface Issuer extends IssuerPort {
  /** The store of the option `store`. */
  readonly store: Store;
  /** Users, who log in with a password. */
  readonly users: UserDirectory;
  /** OAuth clients, which authenticate with a secret. */
  readonly clients: ClientDirectory;
  /**
   * A `request` listener for `node:http`, for an issuer on a port of its own. Answers paths other
   * than the issuer's with 404.
   */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
  /**
   * Logs a user in and returns the tokens. Counts failures by `address`, if given. Rejects with
   * {@link LoginError} `invalid_credentials`, `busy` or `too_many_failures`, or
   * {@link TokenRefusedError} `rate_limited` or `auth_unavailable`.
   */
  login(
    username: string,
    password: string,
    options?: { readonly address?: string },
  ): Promise<TokenSet>;
  /**
   * Sets the password of whom a token of `users.invite` or `users.resetPassword` names, ends all
   * logins that the user had, and logs the user in. A token is good once. Counts failures by
   * `address`, as `login` does.
   *
   * @throws LoginError `invalid_password_token` (unknown, used, replaced or expired, or of a disabled user),
   * `invalid_password` (the token stays good), `busy` or `too_many_failures`
   * @throws TokenRefusedError `rate_limited` or `auth_unavailable`
   */
  setPassword(
    passwordToken: string,
    newPassword: string,
    options?: { readonly address?: string },
  ): Promise<TokenSet>;
  /**
   * Signs a user out everywhere: all access and refresh tokens so far are out, on every node, and
   * their connections close. A new login is good at once. Resolves once that is durable.
   *
   * @throws Error if there is no such user
   */
  endSessions(subject: string): Promise<void>;
  /**
   * Does for all users what `endSessions` does for one. Takes a few writes for each user. Tokens
   * of clients stay good: see `clients.remove`.
   */
  endAllSessions(): Promise<void>;
  /** Closes the issuer and its store. */
  close(): Promise<void>;
}

/**
 * Makes an embedded authentication server, for the option `auth` of `createServer`. Creates signing
 * keys on first use, so that another process can administer users while a server runs.
 *
 * @throws Error if an option is wrong, the store cannot be read, or others can read its secrets
 * @example
 * const store = fileStore(".jotwire");
 * const issuer = await createIssuer({ issuer: "https://id.example", audience: "orders", store });
 * await issuer.users.add("ada", "correct horse battery", { scopes: ["orders:read"] });
 */
export async function createIssuer(options: IssuerOptions): Promise<Issuer> {
  const settings = settingsOf(options);
  const { clock, store } = settings;
  await withTimeout(
    store.secrets.get("signing-keys"),
    storeTimeoutMs,
    clock,
    "secrets.get of the store",
  ); // rejects early if the store cannot be read
  return new EmbeddedIssuer(settings);
}

const storeTimeoutMs = 10_000;
const ownLeeway = 5_000; // 5 s, for `iat`
const retirementSlack = 60_000; // 60 s, for verifiers whose clocks are behind

class EmbeddedIssuer implements Issuer {
  readonly issuer: string;
  readonly verification: IssuerPort["verification"];
  readonly store: Store;
  readonly users: UserDirectory;
  readonly clients: ClientDirectory;
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
  readonly #settings: IssuerSettings;
  readonly #watch: TimedStore;
  readonly #sessions: Grants;
  readonly #endpoints: HttpEndpoints;
  readonly #housekeeping: Housekeeping;

  constructor(given: IssuerSettings) {
    this.#watch = new TimedStore(given.clock);
    const logger = new RateLimitedLog(given.logger, given.clock);
    const settings = { ...given, logger, store: this.#watch.store(given.store) };
    const { issuer, audience, store, hasher, clock } = settings;
    const times = {
      rotationInterval: settings.keyRotationInterval,
      publishAhead: settings.keyPublishAhead,
      retirement: longestAccessToken + retirementSlack,
    };
    const keys = new SigningKeys(store.secrets, times, clock, logger);
    const accessTokens = new AccessTokens(issuer, audience, keys);
    const revoker = new Revoker(issuer, store.revocations, clock);
    this.#settings = settings;
    this.#sessions = new Grants(
      settings,
      new HashingQueue(settings.hashingSlots, clock),
      accessTokens,
      revoker,
    );
    this.#housekeeping = new Housekeeping(store, clock, logger);
    this.issuer = issuer;
    this.store = given.store;
    this.users = new UserDirectory({
      users: store.users,
      rates: store.rates,
      hasher,
      revoker,
      clock,
      logger,
    });
    this.clients = new ClientDirectory(store.clients, revoker, clock);
    this.#endpoints = new HttpEndpoints({
      settings,
      sessions: this.#sessions,
      clients: this.clients,
      users: this.users,
      accessTokens,
      keys,
    });
    this.handler = (request, response) =>
      fireAndForget(
        () => this.#handleAlone(request, response),
        () => response.destroy(),
      );
    this.verification = {
      issuer,
      audience,
      algorithms: [signingAlgorithm],
      typ: "at+jwt",
      requiredClaims: ["exp", "sub", "iat", "jti", "client_id"],
      maxLifetime: longestAccessToken,
      leeway: ownLeeway,
      keys: async () => ({ keys: (await keys.publicKeys()).keys }),
    };
  }

  get counts(): IssuerCounts {
    return this.#sessions.counts;
  }

  async renew(refreshToken: string, subject?: string, address?: string): Promise<RenewedTokens> {
    this.#housekeeping.tidyIfDue();
    const outcome = await this.#unlessUnavailable(
      this.#sessions.refresh(refreshToken, { subject, address }),
    );
    if (outcome.outcome === "subject_refused")
      throw new TokenRefusedError(
        "subject_mismatch",
        "the refresh token belongs to another subject",
      );
    if (outcome.outcome !== "granted")
      throw new TokenRefusedError("token_revoked", detailOf(outcome));
    const { token, refreshToken: successor } = outcome.tokens;
    return { token, refreshToken: successor };
  }

  async revokeRefreshToken(refreshToken: string): Promise<void> {
    await this.#unlessUnavailable(this.#sessions.revoke(refreshToken));
  }

  async endSession(sessionId: string): Promise<void> {
    await this.#settings.store.families.revoke(sessionId);
  }

  async endSubject(subject: string): Promise<void> {
    await this.#settings.store.families.revokeSubject(subject);
  }

  endSessions(subject: string): Promise<void> {
    return this.users.endSessions(subject);
  }

  endAllSessions(): Promise<void> {
    return this.users.endAllSessions();
  }

  async login(
    username: string,
    password: string,
    { address = "" }: { readonly address?: string } = {},
  ): Promise<TokenSet> {
    this.#housekeeping.tidyIfDue();
    const outcome = await this.#unlessUnavailable(
      this.#sessions.login(username, password, address),
    );
    if (outcome.outcome === "granted") return outcome.tokens;
    throw new LoginError("invalid_credentials", "wrong username or password");
  }

  async setPassword(
    passwordToken: string,
    newPassword: string,
    { address = "" }: { readonly address?: string } = {},
  ): Promise<TokenSet> {
    this.#housekeeping.tidyIfDue();
    const outcome = await this.#unlessUnavailable(
      this.#sessions.setPassword(passwordToken, newPassword, address),
    );
    if (outcome.outcome === "granted") return outcome.tokens;
    if (outcome.outcome === "password_refused")
      throw new LoginError("invalid_password", outcome.why);
    throw new LoginError("invalid_password_token", tokenOutdated);
  }

  handle(
    request: IncomingMessage,
    response: ServerResponse,
    context: IssuerRequestContext,
  ): Promise<boolean> {
    this.#housekeeping.tidyIfDue();
    return this.#endpoints.handle(request, response, context);
  }

  onRevocation(listener: RevocationListener): () => void {
    return this.store.revocations.subscribe(listener);
  }

  observeStore(observer: StoreObserver): () => void {
    return this.#watch.observe(observer);
  }

  close(): Promise<void> {
    return this.store.close();
  }

  /** Keeps the store's content out of `JSON.stringify`. */
  toJSON(): object {
    return { issuer: this.issuer, audience: this.#settings.audience };
  }

  async #handleAlone(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { origins } = this.#settings;
    const { host } = request.headers;
    const address = request.socket.remoteAddress ?? "";
    const mayReadFrom = (origin: string): boolean =>
      origins.size === 0 ? isAt(origin, host) : origins.has(origin);
    const handled = await this.handle(request, response, { address, mayReadFrom });
    if (handled) return;
    response.writeHead(404, {
      "Content-Type": "application/json",
      "X-Content-Type-Options": "nosniff",
    });
    response.end(
      JSON.stringify({ error: "not_found", error_description: "There is no such page here." }),
    );
  }

  async #unlessUnavailable<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (error instanceof BusyError)
        throw new LoginError("busy", error.message, error.retryAfter * 1_000);
      if (error instanceof TooManyFailuresError)
        throw new LoginError("too_many_failures", error.message, error.retryAfter * 1_000);
      if (error instanceof TooManyTokensError)
        throw new TokenRefusedError("rate_limited", error.message, error.retryAfter * 1_000);
      this.#settings.logger.error(
        { event: "issuer.unavailable", err: error },
        "issuer unavailable",
      );
      throw new TokenRefusedError(
        "auth_unavailable",
        "the authentication server cannot reach its store; retry later",
      );
    }
  }
}

/**
 * Returns whether an origin has the host of the request. Ignores the scheme, since a proxy may
 * terminate TLS.
 */
function isAt(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && new URL(origin).host === host;
}

function detailOf(outcome: GrantOutcome): string {
  return outcome.outcome === "refused"
    ? `refresh token refused: ${outcome.why}`
    : "refresh token refused";
}
