import { openBatchLength } from "../../src/protocol/connection-limits.js";
import type { ErrorData } from "../../src/protocol/error-codes.js";
import type { AuthenticateResult, RefreshResult } from "../../src/protocol/messages.js";
import type { Answered } from "../connection/control-requests.js";
import { dismiss, join, release, type Waiters } from "../connection/waiters.js";
import { AuthStopError, errorFrom } from "../errors.js";
import type { ClientSettings } from "../options.js";
import { delayOf } from "../transport/backoff.js";
import { adviceOf } from "../transport/closing.js";
import type { ClientLimits, Session } from "./session.js";
import { createSessionClock } from "./session-clock.js";
import type { TokenReason } from "./token-request.js";
import { createTokenShare } from "./token-share.js";
import { createTokenSource } from "./token-source.js";

/** What the session needs of the connection. */
export interface RenewalPort {
  /** Calls `then` when the socket is open, which it opens if there is none. */
  open(then: () => void): void;
  request(method: string, params: unknown, limit: number, answered: Answered): void;
  ping(): void;
  /**
   * No session can be had for now: tries again after a back-off, and after `least` milliseconds.
   * `code` and `advice`, where the socket was closed: the close code, and the milliseconds between
   * which the server wants its clients to come back.
   */
  wait(
    reason: string,
    cause: unknown,
    least: number,
    hasten?: Hasten,
    code?: number,
    advice?: readonly [number, number],
  ): void;
  /** There will be no session: closes for good. */
  end(reason: string, cause?: unknown): void;
  /** The state has changed. */
  report(): void;
}

/**
 * What lets a client try at once: `wake`, when nobody has said when to; `online`, when `token()`
 * has failed, for want of a network maybe.
 */
export type Hasten = "wake" | "online";

export interface RenewalEvents {
  ready(): void;
  gap(): void;
  emit(name: "clockSkew", event: { readonly skew: number }): void;
}

export interface SessionRenewal {
  state(): State["is"];
  signedIn(): Session | null;
  owner(): string | null;
  allowed(): ClientLimits;
  /** A connection begins: gets a token for it. */
  begin(): void;
  /** The socket is gone, and the session with it. */
  reset(): void;
  /** The next connection may have the token of this one, while that is good. */
  keepToken(): void;
  /** What was asked of the server on the connection has no answer any more. */
  lost(error: unknown): void;
  /** The token in force won't be accepted again. */
  invalidate(reason: TokenReason, cause: unknown): void;
  /** Looks at the clocks now: time may have passed unseen. */
  check(): void;
  notice(name: string): void;
  mayRepeat(action: unknown, refusal: unknown): boolean;
  refresh(): Promise<void>;
  /** Whether the caller is the synchronous part of `token()`. */
  isAsking(): boolean;
  /** Forgets who was there: whoever comes next may be somebody else. */
  signOut(): void;
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

const answerLimit = 10_000; // 10 s for the answer to an auth method
const notableSkew = 30_000; // 30 s
const leastWait = 500; // 0.5 s to the next refresh, however short-lived a token is
// 5 s: `token()` gave the same token again, though another was asked for
const leastWaitUnchanged = 5_000;

/** Keeps one session: authenticates each new connection, and renews the session in time. */
export function createSessionRenewal(
  settings: ClientSettings,
  events: RenewalEvents,
  { open, request, ping, wait, end, report }: RenewalPort,
): SessionRenewal {
  const { clock } = settings;
  const share = settings.share ? createTokenShare(clock, () => renew("refresh")) : undefined;
  const tokens = settings.token && createTokenSource(settings.token, settings, share);
  const initial: State = { is: tokens ? "authenticating" : "ready", signedIn: null };
  let state: State = initial;
  // while a token is asked for or presented: whoever waits compares it with that of before
  let renewal: object | undefined;
  let subject: string | null = null;
  let limits: ClientLimits = tokens ? {} : { batchLength: openBatchLength };
  let inForce: string | undefined; // the token
  let deadAt = 0; // when it expires at the latest, by the monotonic clock
  let nextReason: TokenReason = "connect";
  let isUnjudged = false; // the newest token: the server's answer to it was lost, or is to come
  // the page itself gave the connection back: its token is as good as before
  let mayReuseToken = false;
  let dead: string | undefined; // a token that has expired, or was refused
  let deathCause: unknown;
  let tries = 0;
  let cancelRetry = () => {};
  const refreshWaiters: Waiters = [];

  const transition = (next: State) => {
    state = next;
    report();
  };

  const sessionClock = createSessionClock(
    clock,
    () => renew("refresh"),
    (isDue) => {
      if (isDue && state.signedIn) {
        refreshWaiters.push([ping, ping]);
        renew("refresh");
      } else ping();
    },
  );

  /** Gets a token and presents it. */
  const start = (reason: TokenReason) => {
    cancelRetry();
    const mine = {};
    const unlessOver =
      <Value>(act: (value: Value) => void) =>
      (value: Value) => {
        if (renewal === mine) act(value);
      };
    renewal = mine;
    tokens
      ?.obtain(reason, (token) => token !== dead)
      .then(
        unlessOver((token) => {
          if (token === null) return end("signed_out");
          if (token === dead)
            return reason === "connect"
              ? start("refused")
              : retry(deathCause, "token_refused", 0, "online");
          isUnjudged = true;
          open(() => present(token, reason));
        }),
        unlessOver((error) => {
          if (error instanceof AuthStopError) end("signed_out", error);
          else retry(error, "token_unavailable", 0, "online");
        }),
      );
  };

  /** This token is of no use any more; `cause` is what is told when `token()` gives it again. */
  const markDead = (token: string | undefined, cause: unknown = new Error("token_expired")) => {
    if (!token) return;
    dead = token;
    deathCause = cause;
  };

  const present = (token: string, reason: TokenReason) => {
    request(state.signedIn ? "refresh" : "authenticate", { token }, answerLimit, (error, result) =>
      error ? refuse(token, reason, error) : accept(token, reason, result),
    );
  };

  const accept = (token: string, reason: TokenReason, result: unknown) => {
    const {
      subject: who,
      scopes = [],
      connectionId = "",
      expiresAt = 0,
      expiresIn,
      refreshIn,
      serverTime = Number.NaN, // no skew is known
      changed,
      gap,
      limits: told,
    } = Object(result) as Partial<AuthenticateResult & RefreshResult>;
    if (typeof who !== "string" || typeof expiresIn !== "number" || typeof refreshIn !== "number")
      return retry(new Error("invalid_answer"), "invalid_answer");
    subject = who;
    limits = Object(told);
    renewal = undefined;
    inForce = token;
    isUnjudged = mayReuseToken = false;
    deadAt = clock.monotonic() + expiresIn * 1_000;
    nextReason = "connect";
    tries = 0;
    sessionClock.start(
      Math.max(refreshIn * 1_000, changed === false ? leastWaitUnchanged : leastWait),
    );
    const skew = serverTime * 1_000 - clock.now();
    if (Math.abs(skew) > notableSkew) events.emit("clockSkew", { skew });
    if (gap === true) events.gap();
    become({
      is: "ready",
      signedIn: { subject, scopes, connectionId, expiresAt: expiresAt * 1_000 },
    });
    if (reason !== "connect") release(refreshWaiters);
    else if (refreshWaiters.length) renew("refresh"); // that may have been a cached token
  };

  const become = (next: State) => {
    transition(next);
    events.ready();
  };

  const refuse = (token: string, reason: TokenReason, error: unknown) => {
    const failure = errorFrom(error);
    const {
      action,
      reason: why = failure.code,
      retryAfter,
    } = Object(failure.data) as Partial<ErrorData>;
    isUnjudged = false;
    if (action === "stop") return end(why, failure);
    if (action === "authenticate" && state.signedIn) {
      transition(initial); // the server has lost the session
      return present(token, reason);
    }
    if (isForToken(action)) {
      markDead(token, failure);
      nextReason = "refused";
      if (reason !== "refused") return start(nextReason);
    }
    retry(failure, why, retryAfter);
  };

  /** A temporary failure to get a session: a live one is untouched. */
  const retry = (error: unknown, reason: string, advice?: unknown, hasten?: Hasten) => {
    renewal = undefined;
    dismiss(refreshWaiters, error);
    if (!state.signedIn) return wait(reason, error, adviceOf(advice) || 0, hasten);
    const delay = delayOf(++tries, settings, advice);
    cancelRetry = clock.after(delay, () =>
      renew(state.is === "refreshing" ? "expired" : "refresh"),
    );
  };

  const renew = (reason: TokenReason) => {
    if (state.signedIn && !renewal) start(nextReason === "connect" ? reason : nextReason);
  };

  const expire = () => {
    if (state.is === "ready" && state.signedIn)
      transition({ is: "refreshing", signedIn: state.signedIn });
    renew("expired");
  };

  return {
    state: () => state.is,
    signedIn: () => state.signedIn,
    owner: () => subject,
    allowed: () => limits,

    begin() {
      if (!tokens) {
        return open(() => {
          sessionClock.start(Number.POSITIVE_INFINITY);
          become(initial);
        });
      }
      const token = inForce;
      if (token && clock.monotonic() >= deadAt) {
        markDead(token);
        if (!isUnjudged) nextReason = "expired";
      } else if (token && mayReuseToken && nextReason === "connect")
        return open(() => present(token, "connect"));
      start(nextReason);
    },

    keepToken() {
      mayReuseToken ||= state.signedIn !== null;
    },

    reset() {
      state = initial;
      renewal = undefined;
      cancelRetry();
      sessionClock.stop();
    },

    lost: (error) => dismiss(refreshWaiters, error),

    invalidate(reason, cause) {
      nextReason = reason;
      markDead(inForce, cause);
    },

    check: () => sessionClock.check(true),

    notice(name) {
      if (name === "auth.expiring" || name === "auth.refreshRequired") renew("refresh");
      if (name !== "auth.expired") return;
      markDead(inForce);
      expire();
    },

    mayRepeat(action, refusal) {
      if (!state.signedIn || !(isForToken(action) || action === "authenticate")) return false;
      if (action !== "authenticate") markDead(inForce, refusal);
      expire();
      return true;
    },

    refresh() {
      if (!tokens) throw new TypeError("refresh() needs a token()");
      renew("refresh");
      return join(refreshWaiters);
    },

    isAsking: () => tokens?.isAsking() ?? false,

    signOut() {
      subject = null;
      mayReuseToken = false;
      tokens?.cancel();
    },
  };
}

/** Whether what the server advises takes another token. */
function isForToken(action: unknown): boolean {
  return action === "newToken" || action === "refresh";
}
