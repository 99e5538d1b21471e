/**
 * Runs the auth methods of one connection one at a time, in the order received.
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

/** Verifies tokens and counts the attempts. */
export interface AuthParts {
  readonly clock: Clock;
  readonly authority: Pick<
    TokenAuthority,
    "production" | "verify" | "mayRenew" | "renew" | "mayRevoke" | "revokeRefreshToken"
  >;
  readonly authRate: Pick<AuthRateLimiter, "take">;
  readonly telemetry: Telemetry;
}

/** The connection of an {@link AuthQueue}, which sends its answers and counts failures. */
export interface AuthQueueObserver {
  /** The connection's id. */
  readonly id: string;
  /** The peer's address. */
  readonly remoteAddress: string;
  /** Whether the peer is still connected. */
  readonly isThere: boolean;
  /** Called when an auth method has ended, before the next one begins. */
  answered(request: Request, outcome: AuthOutcome): void;
  /** Called for an unexpected error. */
  failed(error: unknown): void;
  /**
   * Called for a failed `authenticate`, which counts against the connection, and, unless its token
   * was valid once, against the address.
   */
  authenticateFailed(inARow: number, wasGood: boolean): void;
}

export type AuthOutcome = { readonly result: unknown } | { readonly error: ErrorObject };

const maxWaiting = 16;
const maxFailedRefreshes = 10;
const minute = 60_000;
const longestWait = 10_000; // ms, for the key of a renewed token
/**
 * Codes of errors that say nothing about the token. `unauthenticated` means that the token was
 * valid, but its connection has closed meanwhile.
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
  /** Number of methods that run or wait, and number of those that may change the user. */
  #unanswered = 0;
  #changesOfUser = 0;
  #failuresInARow = 0;
  #endWait: () => void = () => {};
  /** Times of the failed refreshes of the last minute, monotonic. */
  #failedRefreshes: number[] = [];

  constructor(session: Session, parts: AuthParts, observer: AuthQueueObserver, log: Logger) {
    this.#session = session;
    this.#parts = parts;
    this.#observer = observer;
    this.#log = log;
  }

  /**
   * Whether other frames must wait. They wait for every `authenticate` and `logout` in the queue,
   * since the caller is known only after these. A `refresh` of a live session changes no user, so
   * it blocks no frame.
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
          hint: "too many auth calls are pending; wait for their answers",
        }),
      });
      return;
    }
    this.#unanswered++;
    if (mayChangeUser(request)) this.#changesOfUser++;
    if (this.#isBusy) this.#waiting.push(request);
    else this.#runAll(request).catch((error: unknown) => this.#observer.failed(error));
  }

  /** Drops the waiting methods, since the connection has closed. */
  close(): void {
    this.#waiting.length = 0;
    this.#endWait();
  }

  /**
   * Runs a method and all that arrive meanwhile. The first one never enters the array, which would
   * keep room for 17 elements as long as the connection lives.
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
        else this.#mustNotHaveFailedTooOften(); // with a session, authenticate acts as a refresh
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
      throw invalidAuthParams('send either "token" or "refreshToken", not both');
    if (typeof refreshToken !== "string")
      throw invalidAuthParams('"refreshToken" must be a string');
    if (!this.#parts.authority.mayRenew(identity)) {
      throw invalidAuthParams(
        'this server does not rotate refresh tokens; get a new token from your issuer and send {"token":"…"}',
      );
    }
    await whenHangUpIsHeard();
    if (!this.#observer.isThere)
      throw new AuthFault(
        errorOf("auth_unavailable"),
        "the peer has disconnected; its refresh token is not consumed",
      );
    const renewed = await this.#renew(identity, refreshToken);
    const result = this.#session.refresh(await this.#verifyRenewed(renewed.token));
    return { ...result, token: renewed.token, refreshToken: renewed.refreshToken };
  }

  /**
   * A session has a budget of its own, so invalid tokens from other peers of its address do not
   * exhaust it.
   */
  #verify(token: string): Promise<VerifiedToken> {
    const identity = this.#session.identity();
    const peer =
      identity === null
        ? prefixOf(this.#observer.remoteAddress)
        : JSON.stringify([identity.issuer, identity.subject]);
    return this.#parts.authority.verify(token, peer);
  }

  /**
   * Verifies a renewed token. Retries once if its key cannot be fetched yet, since the refresh
   * token is already consumed.
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

  /**
   * Removes the message of an error that quotes the refresh token: `renew` may be the application's
   * code.
   */
  async #renew(identity: VerifiedToken, refreshToken: string): Promise<RenewedTokens> {
    try {
      return await this.#parts.authority.renew(
        identity,
        refreshToken,
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
    // first, since revoking the family closes the connections of its sessions
    this.#session.logout();
    if (typeof refreshToken === "string")
      await this.#parts.authority.revokeRefreshToken(identity.issuer, refreshToken);
    return { ok: true };
  }

  /** Returns the subject of the session, or, after its end, the subject before. */
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
        hint: "too many failed refreshes; the session continues, retry later",
      }),
    );
  }

  /**
   * Applies only to connections without a session, so that other peers of its address cannot block
   * a session's renewal.
   */
  #mustBeWithinBudget(): void {
    if (this.#parts.authRate.take(this.#observer.remoteAddress)) return;
    throw new AuthFault(
      errorOf("rate_limited", {
        retryAfter: 1,
        hint: "too many tokens from your address per second; retry later",
      }),
    );
  }

  /** Counts a failure, unless its error says nothing about the token. */
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

/**
 * Returns a single request for an auth method; all other frames, also batches, belong to the
 * dispatcher.
 */
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
