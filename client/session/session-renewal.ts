import { openBatchLength } from "../../src/protocol/connection-limits.js";
import type { ErrorData } from "../../src/protocol/error-codes.js";
import type { AuthenticateResult, RefreshResult } from "../../src/protocol/messages.js";
import { join, rejected, resolved, settle, type Waiters } from "../connection/waiters.js";
import { AuthStopError, errorFrom } from "../errors.js";
import type { ClientSettings } from "../options.js";
import { delayOf } from "../transport/backoff.js";
import type { ClientClock } from "../transport/clock.js";
import type { Answered } from "../transport/frame.js";
import type { ClientLimits, Session } from "./session.js";
import { createSessionClock, type SessionClock } from "./session-clock.js";
import type { TokenReason } from "./token-request.js";
import { createTokenShare, type TokenShare } from "./token-share.js";
import { createTokenSource, type TokenSource } from "./token-source.js";

/** What the session needs of the connection. */
export interface RenewalPort {
  /** Calls `then` once the socket is open; opens it first where that is needed. */
  open(then: () => void): void;
  /** Sends an auth method; there is one at a time. */
  sendAuth(method: string, params: unknown, answered: Answered): void;
  ping(): void;
  /**
   * No session can be had for now: tries again after a back-off, and after `retryAfter` seconds.
   * `code` and `advice`, where the socket was closed: the close code, and the milliseconds between
   * which the server wants its clients to come back.
   */
  wait(
    reason: string,
    cause: unknown,
    hasten?: Hasten,
    retryAfter?: unknown,
    code?: number,
    advice?: readonly [number, number],
  ): void;
  /** There will be no session: closes for good. */
  end(reason: string, cause?: unknown): void;
  /** The state has changed. */
  report(): void;
}

/**
 * What lets a client try at once, the more the greater: nothing; a network that is back, when
 * `token()` has failed, for want of one maybe; also a page that wakes up, when nobody has said when
 * to come back.
 */
export const hastenedBy = { nothing: 0, network: 1, waking: 2 } as const;
export type Hasten = (typeof hastenedBy)[keyof typeof hastenedBy];

export interface RenewalEvents {
  ready(): void;
  gap(): void;
  emit(name: "clockSkew", event: { readonly skew: number }): void;
}

/**
 * ```
 *                    authenticate ok              expired
 *   authenticating ─────────────────────► ready ───────────► refreshing
 *      ▲         ▲                        │  ▲                │  │
 *      │         └── the server lost it ──┤  └── refresh ok ──┘  │
 *      └──────────── the socket is gone ──┴─────────────────────┘
 * ```
 * Meanwhile, in any of them: no renewal ──► a token is asked for ──► it is presented ──► no renewal. One that fails is tried again after a
 * back-off. A client without `token()` is always `ready`.
 */
type State =
  | { readonly is: "authenticating" | "ready"; readonly signedIn: null }
  | { readonly is: "ready" | "refreshing"; readonly signedIn: Session };

const notableSkew = 30_000; // 30 s
const leastWait = 500; // 0.5 s to the next refresh, however short-lived a token is
// 5 s: `token()` gave the same token again, though another was asked for
const leastWaitUnchanged = 5_000;

/** Keeps one session: authenticates each new connection, and renews the session in time. */
export class SessionRenewal {
  readonly #settings: ClientSettings;
  readonly #clock: ClientClock;
  readonly #events: RenewalEvents;
  readonly #port: RenewalPort;
  readonly #share: TokenShare | undefined;
  readonly #tokens: TokenSource | undefined;
  /** Called when it is forgotten who was there. */
  onSignOut = () => {};
  readonly #initial: State;
  readonly #sessionClock: SessionClock;
  #state: State;
  // while a token is asked for or presented: whoever waits compares it with that of before
  #renewal: object | undefined;
  #subject: string | null = null;
  #limits: ClientLimits;
  #inForce: string | undefined; // the token
  #deadAt = 0; // when it expires at the latest, by the monotonic clock
  #nextReason: TokenReason = "connect";
  #isUnjudged = false; // the newest token: the server's answer to it was lost, or is to come
  // the page itself gave the connection back: its token is as good as before
  #mayReuseToken = false;
  #dead: string | undefined; // a token that has expired, or was refused
  #deathCause: unknown;
  #tries = 0;
  #cancelRetry = () => {};
  readonly #refreshWaiters: Waiters = [];

  constructor(settings: ClientSettings, events: RenewalEvents, port: RenewalPort) {
    this.#settings = settings;
    this.#events = events;
    this.#port = port;
    this.#clock = settings.clock;
    const { token } = settings;
    this.#share = settings.share
      ? createTokenShare(this.#clock, () => this.#renew("refresh"))
      : undefined;
    this.#tokens = token && createTokenSource(token, settings, this.#share);
    this.#initial = { is: token ? "authenticating" : "ready", signedIn: null };
    this.#state = this.#initial;
    this.#limits = token ? {} : { batchLength: openBatchLength };
    this.#sessionClock = createSessionClock(
      this.#clock,
      () => this.#renew("refresh"),
      () => port.ping(),
    );
  }

  state(): State["is"] {
    return this.#state.is;
  }

  signedIn(): Session | null {
    return this.#state.signedIn;
  }

  owner(): string | null {
    return this.#subject;
  }

  /** The token in force, or the last one. */
  current(): string | undefined {
    return this.#inForce;
  }

  allowed(): ClientLimits {
    return this.#limits;
  }

  /** A connection begins: gets a token for it. */
  begin(): void {
    if (!this.#tokens) {
      return this.#port.open(() => {
        this.#sessionClock.start(Number.POSITIVE_INFINITY);
        this.#become(this.#initial);
      });
    }
    const token = this.#inForce;
    if (token && this.#clock.monotonic() >= this.#deadAt) {
      this.#markDead(token);
      if (!this.#isUnjudged) this.#nextReason = "expired";
    } else if (token && this.#mayReuseToken && this.#nextReason === "connect")
      return this.#port.open(() => this.#present(token, "connect"));
    this.#start(this.#nextReason);
  }

  /** The next connection may have the token of this one, while that is good. */
  keepToken(): void {
    this.#mayReuseToken ||= this.#state.signedIn !== null;
  }

  /** The socket is gone, and the session with it. */
  reset(): void {
    this.#state = this.#initial;
    this.#renewal = undefined;
    this.#cancelRetry();
    this.#sessionClock.stop();
  }

  /** What was asked of the server on the connection has no answer any more. */
  lost(error: unknown): void {
    settle(this.#refreshWaiters, rejected, error);
  }

  /** The token in force won't be accepted again. */
  invalidate(reason: TokenReason, cause: unknown): void {
    this.#nextReason = reason;
    this.#markDead(this.#inForce, cause);
  }

  /** Looks at the clocks now: time may have passed unseen. */
  check(): void {
    this.#sessionClock.check(true);
  }

  /** Takes a notification of the server. */
  notice(name: string): void {
    if (name === "auth.expiring" || name === "auth.refreshRequired") this.#renew("refresh");
    if (name !== "auth.expired") return;
    this.#markDead(this.#inForce);
    this.#expire();
  }

  /** Whether a call that was refused may be sent again once the session is renewed. */
  mayRepeat(action: unknown, refusal: unknown): boolean {
    if (!this.#state.signedIn || !(isForToken(action) || action === "authenticate")) return false;
    if (action !== "authenticate") this.#markDead(this.#inForce, refusal);
    this.#expire();
    return true;
  }

  refresh(): Promise<void> {
    if (!this.#tokens) throw new TypeError("refresh() needs a token()");
    this.#renew("refresh");
    return join(this.#refreshWaiters);
  }

  /** Whether the caller is the synchronous part of `token()`. */
  isAsking(): boolean | undefined {
    return this.#tokens?.isAsking();
  }

  /** Forgets who was there: whoever comes next may be somebody else. */
  signOut(): void {
    this.#subject = null;
    this.#mayReuseToken = false;
    this.#tokens?.cancel();
    this.onSignOut();
  }

  #transition(next: State): void {
    this.#state = next;
    this.#port.report();
  }

  /** Gets a token and presents it. */
  #start(reason: TokenReason): void {
    this.#cancelRetry();
    const mine = {};
    const unlessOver =
      <Value>(act: (value: Value) => void) =>
      (value: Value) => {
        if (this.#renewal === mine) act(value);
      };
    this.#renewal = mine;
    this.#tokens
      ?.obtain(reason, (token) => token !== this.#dead)
      .then(
        unlessOver((token) => {
          if (token === null) return this.#port.end("signed_out");
          if (token === this.#dead)
            return reason === "connect"
              ? this.#start("refused")
              : this.#retry(this.#deathCause, "token_refused", hastenedBy.network);
          this.#isUnjudged = true;
          this.#port.open(() => this.#present(token, reason));
        }),
        unlessOver((error) => {
          if (error instanceof AuthStopError) this.#port.end("signed_out", error);
          else this.#retry(error, "token_unavailable", hastenedBy.network);
        }),
      );
  }

  /**
   * This token is of no use any more; `cause` is the error if `token()` gives it again. Without a
   * cause it has expired, which is for ever only if its time stands in it: an API key may be good
   * for another while.
   */
  #markDead(
    token: string | undefined,
    cause: unknown = token?.startsWith("ey") && new Error("token_expired"),
  ): void {
    if (!token || !cause) return;
    this.#dead = token;
    this.#deathCause = cause;
  }

  #present(token: string, reason: TokenReason): void {
    this.#port.sendAuth(
      this.#state.signedIn ? "refresh" : "authenticate",
      { token },
      (error, result) =>
        error ? this.#refuse(token, reason, error) : this.accept(token, reason, result),
    );
  }

  /** The server has taken the token. */
  accept(token: string, reason: TokenReason, result: unknown): void {
    const {
      subject,
      scopes = [],
      connectionId = "",
      expiresAt = 0,
      expiresIn,
      refreshIn,
      serverTime,
      changed,
      gap,
      limits,
    } = Object(result) as Partial<AuthenticateResult & RefreshResult>;
    if (
      typeof subject !== "string" ||
      typeof expiresIn !== "number" ||
      typeof refreshIn !== "number"
    )
      return this.#retry(new Error("invalid_answer"), "invalid_answer");
    this.#subject = subject;
    this.#limits = Object(limits);
    this.#renewal = undefined;
    this.#inForce = token;
    this.#share?.use(token);
    this.#isUnjudged = this.#mayReuseToken = false;
    this.#deadAt = this.#clock.monotonic() + expiresIn * 1_000;
    this.#nextReason = "connect";
    this.#tries = 0;
    this.#sessionClock.start(
      Math.max(refreshIn * 1_000, changed === false ? leastWaitUnchanged : leastWait),
    );
    const skew = (serverTime as number) * 1_000 - this.#clock.now(); // no number without the time
    if (Math.abs(skew) > notableSkew) this.#events.emit("clockSkew", { skew });
    if (gap === true) this.#events.gap();
    this.#become({
      is: "ready",
      signedIn: { subject, scopes, connectionId, expiresAt: expiresAt * 1_000 },
    });
    if (reason !== "connect") settle(this.#refreshWaiters, resolved);
    // that may have been a cached token
    else if (this.#refreshWaiters.length) this.#renew("refresh");
  }

  #become(next: State): void {
    this.#transition(next);
    this.#events.ready();
  }

  #refuse(token: string, reason: TokenReason, error: unknown): void {
    const failure = errorFrom(error);
    const {
      action,
      reason: why = failure.code,
      retryAfter,
    } = Object(failure.data) as Partial<ErrorData>;
    this.#isUnjudged = false;
    if (action === "stop") return this.#port.end(why, failure);
    if (action === "authenticate" && this.#state.signedIn) {
      this.#transition(this.#initial); // the server has lost the session
      return this.#present(token, reason);
    }
    if (isForToken(action)) {
      this.#markDead(token, failure);
      this.#nextReason = "refused";
      if (reason !== "refused") return this.#start("refused");
    }
    this.#retry(failure, why, undefined, retryAfter);
  }

  /** A temporary failure to get a session: a live one is untouched. */
  #retry(error: unknown, reason: string, hasten?: Hasten, retryAfter?: unknown): void {
    this.#renewal = undefined;
    settle(this.#refreshWaiters, rejected, error);
    if (!this.#state.signedIn) return this.#port.wait(reason, error, hasten, retryAfter);
    this.#cancelRetry = this.#clock.after(delayOf(++this.#tries, this.#settings, retryAfter), () =>
      this.#renew(this.#state.is === "refreshing" ? "expired" : "refresh"),
    );
  }

  #renew(reason: TokenReason): void {
    if (this.#state.signedIn && !this.#renewal)
      this.#start(this.#nextReason === "connect" ? reason : this.#nextReason);
  }

  #expire(): void {
    const { is, signedIn } = this.#state;
    if (is === "ready" && signedIn) this.#transition({ is: "refreshing", signedIn });
    this.#renew("expired");
  }
}

/** Whether what the server advises takes another token. */
function isForToken(action: unknown): boolean {
  return action === "newToken" || action === "refresh";
}
