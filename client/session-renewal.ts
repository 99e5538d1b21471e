import type { ErrorData } from "../src/protocol/error-codes.js";
import { backoff } from "./backoff.js";
import { secondsOf } from "./closing.js";
import type { AnswerHandlers } from "./control-requests.js";
import { AuthStop, errorFrom } from "./errors.js";
import type { ClientSettings } from "./options.js";
import { grantFrom, type Session } from "./session.js";
import { createSessionClock } from "./session-clock.js";
import { createTokenShare } from "./token-share.js";
import { createTokenSource, type TokenReason } from "./token-source.js";
import { dismiss, join, release, type Waiters } from "./waiters.js";

/** What the session needs of the connection. */
export interface RenewalPort {
  /** Calls `then` when the socket is open, which it opens if there is none. */
  open(then: () => void): void;
  request(method: string, params: unknown, limit: number, handlers: AnswerHandlers): string;
  ping(): void;
  /** No session can be had for now: tries again after a back-off, and after `least` milliseconds. `isTokenless`: `token()` has failed. */
  wait(least: number, reason: string, cause: unknown, isTokenless?: boolean): void;
  /** There will be no session: closes for good. */
  end(reason: string, cause?: unknown): void;
  /** The state has changed. */
  report(): void;
}

export interface RenewalEvents {
  ready(): void;
  gap(): void;
  clockSkew(skew: number): void;
}

export interface SessionRenewal {
  state(): State["is"];
  session(): Session | null;
  subject(): string | null;
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
  | { readonly is: "authenticating"; readonly session: null }
  | { readonly is: "ready"; readonly session: Session | null }
  | { readonly is: "refreshing"; readonly session: Session };

const answerLimit = 10_000; // 10 s for the answer to an auth method
const notableSkew = 30_000; // 30 s

/** Keeps one session: authenticates each new connection, and renews the session in time. */
export function createSessionRenewal(settings: ClientSettings, events: RenewalEvents, port: RenewalPort): SessionRenewal {
  const { clock } = settings;
  const share = settings.share ? createTokenShare(clock, () => renew("refresh")) : undefined;
  const tokens = settings.token && createTokenSource(settings.token, settings, share);
  const initial: State = tokens ? { is: "authenticating", session: null } : { is: "ready", session: null };
  let state: State = initial;
  let renewal: object | undefined; // while a token is asked for or presented: whoever waits compares it with that of before
  let subject: string | null = null;
  let inForce: string | undefined; // the token
  let deadAt = 0; // when it expires at the latest, by the monotonic clock
  let nextReason: TokenReason = "connect";
  let isUnjudged = false; // the newest token: the server's answer to it was lost, or is to come
  let mayReuseToken = false; // the page itself gave the connection back: its token is as good as before
  let dead: string | undefined; // a token that has expired, or was refused
  let deathCause: unknown;
  let tries = 0;
  let cancelRetry = () => {};
  const refreshWaiters: Waiters = [];

  const transition = (next: State) => {
    state = next;
    port.report();
  };

  const sessionClock = createSessionClock(
    clock,
    () => renew("refresh"),
    (isDue) => {
      if (isDue && state.session) {
        refreshWaiters.push([port.ping, port.ping]);
        renew("refresh");
      } else port.ping();
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
      ?.get(reason, (token) => token !== dead)
      .then(
        unlessOver((token) => {
          if (token === null) return port.end("signed_out");
          if (token === dead) return reason === "connect" ? start("refused") : retry(deathCause, "token_refused", 0, true);
          isUnjudged = true;
          port.open(() => present(token, reason));
        }),
        unlessOver((error) => {
          if (error instanceof AuthStop) port.end("signed_out", error);
          else retry(error, "token_unavailable", 0, true);
        }),
      );
  };

  /** This token is of no use any more; `cause` is what is told when `token()` gives it again. */
  const markDead = (token: string | undefined, cause: unknown = new Error("token() gave an expired token")) => {
    if (token === undefined) return;
    dead = token;
    deathCause = cause;
  };

  const present = (token: string, reason: TokenReason) => {
    port.request(state.session ? "refresh" : "authenticate", { token }, answerLimit, {
      result: (result) => accept(token, reason, result),
      error: (error) => refuse(token, reason, error),
    });
  };

  const accept = (token: string, reason: TokenReason, result: unknown) => {
    const grant = grantFrom(result, clock.now());
    if (!grant) return retry(new Error("The answer is no session"), "invalid_answer");
    const { session, skew } = grant;
    renewal = undefined;
    inForce = token;
    isUnjudged = mayReuseToken = false;
    deadAt = clock.monotonic() + grant.expiresIn;
    nextReason = "connect";
    tries = 0;
    ({ subject } = session);
    sessionClock.start(grant.refreshIn);
    if (Math.abs(skew) > notableSkew) events.clockSkew(skew);
    if (grant.gap) events.gap();
    become(session);
    if (reason !== "connect") release(refreshWaiters);
    else if (refreshWaiters.length > 0) renew("refresh"); // that may have been a cached token
  };

  const become = (session: Session | null) => {
    transition({ is: "ready", session });
    events.ready();
  };

  const refuse = (token: string, reason: TokenReason, error: unknown) => {
    const failure = errorFrom(error);
    const { action, reason: why = failure.type, retryAfter } = Object(failure.data) as Partial<ErrorData>;
    isUnjudged = false;
    if (action === "stop") return port.end(why, failure);
    if (action === "authenticate" && state.session) {
      transition(initial); // the server has lost the session
      return present(token, reason);
    }
    const isDead = action === "newToken" || action === "refresh";
    if (isDead) {
      markDead(token, failure);
      nextReason = "refused";
    }
    if (isDead && reason !== "refused") start("refused");
    else retry(failure, why, retryAfter);
  };

  /** A temporary failure to get a session: a live one is untouched. */
  const retry = (error: unknown, reason: string, advice?: unknown, isTokenless?: boolean) => {
    const least = (secondsOf(advice) ?? 0) * 1_000;
    renewal = undefined;
    dismiss(refreshWaiters, error);
    if (!state.session) return port.wait(least, reason, error, isTokenless);
    const delay = Math.max(backoff(++tries, settings.backoff, settings.random()), least);
    cancelRetry = clock.after(delay, () => renew(state.is === "refreshing" ? "expired" : "refresh"));
  };

  const renew = (reason: TokenReason) => {
    if (state.session && !renewal) start(nextReason === "connect" ? reason : nextReason);
  };

  const expire = () => {
    if (state.is === "ready" && state.session) transition({ is: "refreshing", session: state.session });
    renew("expired");
  };

  return {
    state: () => state.is,
    session: () => state.session,
    subject: () => subject,

    begin() {
      if (!tokens) {
        return port.open(() => {
          sessionClock.start(Number.POSITIVE_INFINITY);
          become(null);
        });
      }
      const token = inForce;
      if (token !== undefined && clock.monotonic() >= deadAt) {
        markDead(token);
        if (!isUnjudged) nextReason = "expired";
      } else if (token !== undefined && mayReuseToken && nextReason === "connect") return port.open(() => present(token, "connect"));
      start(nextReason);
    },

    keepToken() {
      mayReuseToken ||= state.session !== null;
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
      if (!state.session || (action !== "authenticate" && action !== "refresh" && action !== "newToken")) return false;
      if (action !== "authenticate") markDead(inForce, refusal);
      expire();
      return true;
    },

    refresh() {
      if (!tokens) throw new TypeError("refresh() needs the option token");
      renew("refresh");
      return join(refreshWaiters);
    },

    signOut() {
      subject = null;
      mayReuseToken = false;
      tokens?.cancel();
    },
  };
}
