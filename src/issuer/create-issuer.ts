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

/** An authentication server: credentials in, tokens out. */
export interface Issuer extends IssuerPort {
  /** The store that was given. */
  readonly store: Store;
  /** People who log in with a password. */
  readonly users: UserDirectory;
  /** Programs that log in with a secret. */
  readonly clients: ClientDirectory;
  /**
   * A `request` listener of `node:http`, for an issuer on a port of its own. Other paths than the
   * issuer's: 404.
   */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
  /**
   * Throws {@link LoginError} `invalid_credentials`, `busy` or `too_many_failures`, and
   * {@link TokenRefusedError} `rate_limited` or `auth_unavailable`. Failures are counted by `address`, if
   * there is one.
   */
  login(
    username: string,
    password: string,
    options?: { readonly address?: string },
  ): Promise<TokenSet>;
  /** Closes the store too. */
  close(): Promise<void>;
}

/**
 * Makes an embedded authentication server: give it to `createServer` as `auth`. Keys are made when
 * they are first needed, so that users can be administered beside a running server.
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
  ); // one that can't be read is told at the start
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
    this.users = new UserDirectory(store.users, hasher, revoker, clock);
    this.clients = new ClientDirectory(store.clients, revoker, clock);
    this.#endpoints = new HttpEndpoints({
      settings,
      sessions: this.#sessions,
      clients: this.clients,
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
      throw new TokenRefusedError("subject_mismatch", "the refresh token is another subject's");
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

  /** What JSON.stringify shows: nothing of the store's content. */
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
        "the issuer could not answer",
      );
      throw new TokenRefusedError(
        "auth_unavailable",
        "the store of the authentication server could not be reached",
      );
    }
  }
}

/**
 * Is this the origin of the host that was asked? A proxy may have the TLS, so the scheme is not
 * known.
 */
function isAt(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && new URL(origin).host === host;
}

function detailOf(outcome: GrantOutcome): string {
  return outcome.outcome === "refused"
    ? `refresh token refused: ${outcome.why}`
    : "refresh token refused";
}
