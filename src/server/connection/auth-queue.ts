/**
 * The auth methods of one connection: verified and applied one at a time, in the order received.
 */

import type { RenewedTokens, VerifiedToken } from "../../auth/provider-options.js";
import {
  AuthFault,
  type Fault,
  faultOf,
  invalidAuthParams,
  isOnlyExpired,
  TokenRefusedError,
} from "../../auth/refusal.js";
import { whenHangUpIsHeard } from "../../auth/session/hang-up.js";
import type { Session } from "../../auth/session/session.js";
import { type ErrorObject, errorOf } from "../../protocol/error-codes.js";
import {
  type AuthMethod,
  isAuthMethod,
  type Params,
  type RefreshResult,
  type Request,
} from "../../protocol/messages.js";
import { InvalidRequest, readEnvelope } from "../../rpc/dispatch/envelope.js";
import type { Clock } from "../../runtime/clock.js";
import { prefixOf } from "../../runtime/ip-address.js";
import type { Logger } from "../../runtime/logger.js";
import type { AuthRateLimiter } from "../admission/auth-rate-limiter.js";
import type { Telemetry } from "../telemetry/telemetry.js";
import type { TokenAuthority } from "../token-authority.js";

/** What judges tokens, and counts that. */
export interface AuthParts {
  readonly clock: Clock;
  readonly authority: Pick<
    TokenAuthority,
    "production" | "verify" | "mayRenew" | "renew" | "mayRevoke" | "revokeRefreshToken"
  >;
  readonly authRate: Pick<AuthRateLimiter, "take">;
  readonly telemetry: Telemetry;
}

/** Who answers, and who hears of failures. */
export interface AuthQueueObserver {
  /** The connection's id. */
  readonly id: string;
  /** The peer's address. */
  readonly remoteAddress: string;
  /** Has the peer not hung up? */
  readonly isThere: boolean;
  /** An auth method has ended; called before the next one begins. */
  answered(request: Request, outcome: AuthOutcome): void;
  /** Something threw that never should. */
  failed(error: unknown): void;
  /**
   * A failed `authenticate` that counts against the connection, and unless its token was good once,
   * against the address.
   */
  authenticateFailed(inARow: number, wasGood: boolean): void;
}

export type AuthOutcome = { readonly result: unknown } | { readonly error: ErrorObject };

const maxWaiting = 16;
const maxFailedRefreshes = 10;
const minute = 60_000;
const longestWait = 10_000; // ms, for the key of a renewed token
/**
 * Codes of errors that say nothing about the token; `unauthenticated`: it was good, but its
 * connection has closed meanwhile.
 */
const notJudged: ReadonlySet<number> = new Set(
  (["auth_unavailable", "rate_limited", "unauthenticated"] as const).map(
    (reason) => errorOf(reason).code,
  ),
);

export class AuthQueue {
  readonly #session: Session;
  readonly #parts: AuthParts;
  readonly #observer: AuthQueueObserver;
  readonly #log: Logger;
  readonly #waiting: Request[] = [];
  #isBusy = false;
  /** How many methods are running or wait, and how many of them may change the user. */
  #unanswered = 0;
  #changesOfUser = 0;
  #failuresInARow = 0;
  #endWait: () => void = () => {};
  /** When the failed refreshes of the last minute were, monotonic. */
  #failedRefreshes: number[] = [];

  constructor(session: Session, parts: AuthParts, observer: AuthQueueObserver, log: Logger) {
    this.#session = session;
    this.#parts = parts;
    this.#observer = observer;
    this.#log = log;
  }

  /**
   * Must other frames wait? Behind `authenticate` and `logout` they do, wherever in the queue those
   * are: who calls is known only after them. A `refresh` of a live session changes no user, so it
   * blocks nothing.
   */
  get blocks(): boolean {
    return this.#changesOfUser > 0 || (this.#unanswered > 0 && this.#session.state !== "active");
  }

  /** Runs the method when those before it have ended. */
  submit(request: Request): void {
    if (this.#waiting.length >= maxWaiting) {
      this.#observer.answered(request, {
        error: errorOf("rate_limited", {
          retryAfter: 1,
          hint: "wait for the answers of earlier auth calls",
        }),
      });
      return;
    }
    this.#unanswered++;
    if (mayChangeUser(request)) this.#changesOfUser++;
    if (this.#isBusy) this.#waiting.push(request);
    else this.#runAll(request).catch((error: unknown) => this.#observer.failed(error));
  }

  /** Forgets what waits: the connection has closed. */
  close(): void {
    this.#waiting.length = 0;
    this.#endWait();
  }

  /**
   * Those that come meanwhile, too. The first is never put in the list: it would keep room for 17
   * as long as the connection.
   */
  async #runAll(first: Request): Promise<void> {
    this.#isBusy = true;
    for (
      let request: Request | undefined = first;
      request !== undefined;
      request = this.#waiting.shift()
    ) {
      const method = request.method as AuthMethod;
      const before = this.#session.identity();
      const outcome = await this.#run(method, request.params, before);
      const code = "error" in outcome ? outcome.error.code : undefined;
      this.#parts.telemetry.authEnded(this.#observer.id, method, code, this.#subject(before));
      this.#unanswered--;
      if (mayChangeUser(request)) this.#changesOfUser--;
      this.#observer.answered(request, outcome);
    }
    this.#isBusy = false;
  }

  async #run(
    method: AuthMethod,
    params: Params | undefined,
    before: VerifiedToken | null,
  ): Promise<AuthOutcome> {
    try {
      const result = await this.#perform(method, params);
      if (method === "authenticate") this.#failuresInARow = 0;
      return { result };
    } catch (thrown) {
      const fault = faultOf(thrown, this.#parts.authority.production);
      const subject = this.#subject(before);
      const { remoteAddress: address } = this.#observer;
      this.#log.info(
        { event: `${method}.fail`, code: fault.error.code, detail: fault.detail, subject, address },
        `${method} failed`,
      );
      this.#countFailure(method, fault);
      return { error: fault.error };
    }
  }

  async #perform(method: AuthMethod, params: Params | undefined): Promise<unknown> {
    switch (method) {
      case "authenticate": {
        const token = tokenOf(params, method);
        if (this.#session.identity() === null) this.#mustBeWithinBudget();
        else this.#mustNotHaveFailedTooOften(); // it acts as a refresh
        return this.#session.authenticate(await this.#verify(token));
      }
      case "refresh":
        return this.#refresh(params);
      case "logout":
        return this.#logout(params);
    }
  }

  async #refresh(params: Params | undefined): Promise<RefreshResult> {
    const identity = this.#identityOrFault();
    this.#mustNotHaveFailedTooOften();
    const refreshToken = memberOf(params, "refreshToken");
    if (refreshToken === undefined)
      return this.#session.refresh(await this.#verify(tokenOf(params, "refresh")));
    if (memberOf(params, "token") !== undefined)
      throw invalidAuthParams('send "token" or "refreshToken", not both');
    if (typeof refreshToken !== "string")
      throw invalidAuthParams('"refreshToken" must be a string');
    if (!this.#parts.authority.mayRenew(identity.issuer)) {
      throw invalidAuthParams(
        'this server does not rotate refresh tokens; get a new token from your issuer and send {"token":"…"}',
      );
    }
    await whenHangUpIsHeard();
    if (!this.#observer.isThere)
      throw new AuthFault(
        errorOf("auth_unavailable"),
        "the peer has hung up; its refresh token is not used up",
      );
    const renewed = await this.#renew(identity, refreshToken);
    const result = this.#session.refresh(await this.#verifyRenewed(renewed.token));
    return { ...result, token: renewed.token, refreshToken: renewed.refreshToken };
  }

  /** What others of an address make up costs a session nothing. */
  #verify(token: string): Promise<VerifiedToken> {
    const identity = this.#session.identity();
    const peer =
      identity === null
        ? prefixOf(this.#observer.remoteAddress)
        : JSON.stringify([identity.issuer, identity.subject]);
    return this.#parts.authority.verify(token, peer);
  }

  /**
   * The refresh token is used up by now: a token of a key that can't be fetched yet is judged once
   * more instead of lost.
   */
  async #verifyRenewed(token: string): Promise<VerifiedToken> {
    try {
      return await this.#verify(token);
    } catch (thrown) {
      const { code, retryAfter = Number.POSITIVE_INFINITY } =
        thrown instanceof TokenRefusedError ? thrown : ({} as Partial<TokenRefusedError>);
      if (code !== "auth_unavailable" || retryAfter > longestWait) throw thrown;
      await new Promise<void>((resolve) => {
        const stop = this.#parts.clock.after(Math.ceil(retryAfter), resolve);
        this.#endWait = () => {
          stop();
          resolve();
        };
      });
      return this.#verify(token);
    }
  }

  /** An error of the application's own `renew` may quote what it was given. */
  async #renew({ issuer, subject }: VerifiedToken, refreshToken: string): Promise<RenewedTokens> {
    try {
      return await this.#parts.authority.renew(
        issuer,
        refreshToken,
        subject,
        this.#observer.remoteAddress,
      );
    } catch (thrown) {
      const { error, detail } = faultOf(thrown, this.#parts.authority.production);
      throw new AuthFault(
        error,
        detail.includes(refreshToken)
          ? "renew failed; its message quotes the refresh token"
          : detail,
      );
    }
  }

  async #logout(params: Params | undefined): Promise<{ readonly ok: true }> {
    const identity = this.#identityOrFault();
    const refreshToken = memberOf(params, "refreshToken");
    if (refreshToken !== undefined) {
      if (typeof refreshToken !== "string")
        throw invalidAuthParams('"refreshToken" must be a string');
      if (!this.#parts.authority.mayRevoke(identity.issuer))
        throw invalidAuthParams(
          "this server does not keep refresh tokens; revoke it at your issuer",
        );
    }
    this.#session.logout(); // before the family is revoked, which would close this connection too
    if (typeof refreshToken === "string")
      await this.#parts.authority.revokeRefreshToken(identity.issuer, refreshToken);
    return { ok: true };
  }

  /** Whose session it is; after a logout, or when the session has ended meanwhile, whose it was. */
  #subject(before: VerifiedToken | null): string | undefined {
    return (this.#session.identity() ?? before)?.subject;
  }

  #identityOrFault(): VerifiedToken {
    const identity = this.#session.identity();
    if (identity === null)
      throw new AuthFault(this.#session.refusal() ?? errorOf("unauthenticated"));
    return identity;
  }

  #mustNotHaveFailedTooOften(): void {
    const now = this.#parts.clock.monotonic();
    this.#failedRefreshes = this.#failedRefreshes.filter((at) => now - at < minute);
    const [oldest] = this.#failedRefreshes;
    if (oldest === undefined || this.#failedRefreshes.length < maxFailedRefreshes) return;
    const retryAfter = Math.ceil((oldest + minute - now) / 1000);
    throw new AuthFault(
      errorOf("rate_limited", {
        retryAfter,
        hint: "too many failed refreshes; the session goes on",
      }),
    );
  }

  /**
   * A session is never kept from its renewal by others of its address: what it may do wrong has a
   * limit of its own.
   */
  #mustBeWithinBudget(): void {
    if (this.#parts.authRate.take(this.#observer.remoteAddress)) return;
    throw new AuthFault(
      errorOf("rate_limited", {
        retryAfter: 1,
        hint: "too many tokens of your address in this second",
      }),
    );
  }

  /** What says nothing about the token never counts. */
  #countFailure(method: AuthMethod, { error }: Fault): void {
    if (notJudged.has(error.code)) return;
    if (this.#session.identity() !== null) {
      this.#failedRefreshes.push(this.#parts.clock.monotonic());
    } else if (method === "authenticate") {
      this.#failuresInARow++;
      this.#observer.authenticateFailed(this.#failuresInARow, isOnlyExpired(error));
    }
  }
}

/** A single request for an auth method; anything else, batches too, is the dispatcher's. */
export function authRequestOf(value: unknown): Request | undefined {
  if (
    typeof value !== "object" ||
    value === null ||
    !isAuthMethod((value as { method?: unknown }).method as string)
  )
    return undefined;
  const request = readEnvelope(value);
  return request instanceof InvalidRequest ? undefined : request;
}

function mayChangeUser({ method }: Request): boolean {
  return method !== "refresh";
}

function tokenOf(params: Params | undefined, method: AuthMethod): string {
  const token = Array.isArray(params) ? params[0] : memberOf(params, "token");
  if (typeof token === "string") return token;
  const or =
    method === "refresh"
      ? ', or, where the server has an issuer of its own, "params":{"refreshToken":"…"}'
      : "";
  throw invalidAuthParams(
    `send the token as a string: {"jsonrpc":"2.0","id":1,"method":"${method}","params":{"token":"…"}}${or}`,
  );
}

function memberOf(params: Params | undefined, name: string): unknown {
  return params === undefined || Array.isArray(params) || !Object.hasOwn(params, name)
    ? undefined
    : (params as Readonly<Record<string, unknown>>)[name];
}
