/**
 * Who speaks on a connection, with what scopes, and until when.
 *
 *          authenticate ok              now >= exp              grace over
 *  open ────────────────────► active ──────────────► expired ─────────────► closed (token_expired)
 *   │ auth deadline             ▲  ▲ refresh ok (same subject) │
 *   ▼                           │  └──────────────────────────┘
 *  closed (auth_timeout)  logout ──► open (a new deadline)
 *
 *  active or expired ── revoked ──► closed (token_revoked)
 *
 * `#transition` is the only writer of the state. The session knows no socket: what must be sent or
 * closed, it tells its observer.
 */
import { type ErrorObject, errorOf } from "../../protocol/error-codes.js";
import {
  type AuthenticateResult,
  exampleOf,
  type RefreshResult,
  type SessionStateName,
  type WhoamiResult,
} from "../../protocol/messages.js";
import type { Clock } from "../../runtime/clock.js";
import type { VerifiedToken } from "../provider-options.js";
import { AuthFault, TokenRefusedError } from "../refusal.js";
import type { RevocationList } from "../revocation/revocation-list.js";
import { Expiry, refreshAdvice, seconds, warningLead } from "./time-left.js";
import { differingClaim, isNoNewer } from "./token-succession.js";

type State =
  | { readonly name: "open"; readonly closeAt: number; readonly remindAt: number }
  | {
      readonly name: "active";
      readonly token: VerifiedToken;
      readonly expiry: Expiry;
      readonly warnBefore: number;
      readonly revokedAt: Expiry | null;
      /** When the user logged in; undefined if the token does not say. */
      readonly login: Expiry | undefined;
    }
  | {
      readonly name: "expired";
      readonly token: VerifiedToken;
      readonly closeAt: number;
      readonly revokedAt: Expiry | null;
    }
  | { readonly name: "closed"; readonly because: SessionEnd | null };

export type SessionEnd = "auth_timeout" | "token_expired" | "token_revoked";

/**
 * Who carries out what the session decides. Times in seconds. Called synchronously, after the state
 * has changed.
 */
export interface SessionObserver {
  /** Nothing has come for a while in OPEN. */
  required(within: number): void;
  expiring(expiresIn: number): void;
  expired(closeIn: number): void;
  /** The session will be revoked, unless another token comes first. */
  refreshRequired(within: number, reason: string): void;
  /** The session is closed: say so, and close the connection. */
  ended(reason: SessionEnd): void;
  /** Somebody came in, somebody's token changed, or (null) somebody went out. */
  identified(token: VerifiedToken | null): void;
  /** What to type to renew the session. */
  refreshExample(): string;
}

export interface SessionLimits {
  /** Milliseconds from OPEN to close. */
  readonly authDeadline: number;
  /** Milliseconds from expiry to close; finite. */
  readonly grace: number;
  /** Longest session from its `authenticate`, milliseconds. */
  readonly sessionLifetime: number;
}

export interface SessionPorts {
  readonly clock: Clock;
  readonly revocations: RevocationList;
  readonly connectionId: string;
  readonly random: () => number;
}

const remindAfter = 5_000; // 5 s without a frame: a person who does not know what to type
const never = Number.POSITIVE_INFINITY;

export class Session {
  readonly #limits: SessionLimits;
  readonly #ports: SessionPorts;
  readonly #observer: SessionObserver;
  #state: State;
  #cancelTimer: () => void = () => {};
  /** When the timer fires, on the monotonic clock. */
  #armedFor = never;
  #seenRevocations = -1;
  /** When the longest session ends, fixed at `authenticate`; on the monotonic clock. */
  #capAt = never;

  constructor(limits: SessionLimits, ports: SessionPorts, observer: SessionObserver) {
    this.#limits = limits;
    this.#ports = ports;
    this.#observer = observer;
    this.#state = this.#freshlyOpen(remindAfter);
    this.#arm();
  }

  /** The state now: a session whose time has come has changed before this returns. */
  get state(): SessionStateName {
    this.check();
    return this.#state.name;
  }

  /**
   * Has nobody authenticated yet? For what is merely counted or measured: looks at no clock, so a
   * deadline may have passed.
   */
  get isOpen(): boolean {
    return this.#state.name === "open";
  }

  /**
   * The token in force; null in any state but ACTIVE. Looked at before every request and every
   * push.
   */
  live(): VerifiedToken | null {
    this.check();
    return this.#state.name === "active" ? this.#state.token : null;
  }

  /**
   * Milliseconds since the user logged in, by the clock that says more; undefined if the token in
   * force does not say when, or no token is in force.
   */
  loginAge(): number | undefined {
    const state = this.#state;
    if (state.name !== "active" || state.login === undefined) return undefined;
    return -state.login.left(this.#ports.clock);
  }

  /** Why a request that needs a session may not run now; null: it may. */
  refusal(): ErrorObject | null {
    this.check();
    const state = this.#state;
    if (state.name === "active") return null;
    if (state.name === "expired")
      return errorOf("token_expired", {
        context: "session",
        hint: `send a new token: ${this.#observer.refreshExample()}`,
      });
    if (state.name === "closed" && state.because === "token_revoked")
      return errorOf("token_revoked", { hint: "log in again" });
    if (state.name === "closed" && state.because === "token_expired")
      return errorOf("token_expired", { context: "session", action: "newToken" });
    return errorOf("unauthenticated", { hint: `authenticate first: ${exampleOf("authenticate")}` });
  }

  /** Somebody is there: no reminder needed. */
  heard(): void {
    const state = this.#state;
    if (state.name === "open" && state.remindAt !== never)
      this.#transition({ name: "open", closeAt: state.closeAt, remindAt: never });
  }

  /** Brings the state up to the present. Cheap when nothing is due. */
  check(): void {
    const state = this.#state;
    if (state.name === "open") this.#checkOpen(state);
    else if (state.name === "active") this.#checkActive(state);
    else if (state.name === "expired") this.#checkExpired(state);
  }

  /**
   * Puts a verified token in force on an OPEN session; on any other, does what {@link refresh}
   * does. Throws {@link AuthFault} or {@link TokenRefusedError}.
   */
  authenticate(token: VerifiedToken): AuthenticateResult | RefreshResult {
    this.check();
    if (this.#state.name === "active" || this.#state.name === "expired") return this.refresh(token);
    this.#mustBeUsable(token);
    const { sessionLifetime } = this.#limits;
    this.#capAt = this.#ports.clock.monotonic() + sessionLifetime;
    this.#activate(token);
    return this.#describe(token);
  }

  /**
   * Puts a renewed token of the same identity in force. On any failure the session stays as it was.
   * Throws {@link AuthFault} or {@link TokenRefusedError}.
   */
  refresh(token: VerifiedToken): RefreshResult {
    this.check();
    const state = this.#state;
    if (state.name === "open" || state.name === "closed")
      throw new AuthFault(errorOf("unauthenticated", { hint: "authenticate first" }));
    const claim = differingClaim(state.token, token);
    if (claim !== undefined) {
      const hint = `log out first, or open another connection: a refresh may not change ${claim}`;
      throw new AuthFault(
        errorOf("subject_mismatch", { claim, hint }),
        `the ${claim} claim differs from the session's`,
      );
    }
    this.#mustBeUsable(token);
    if (state.name === "active" && isNoNewer(token, state.token))
      return this.#describeRefresh(state.token, false);
    if (state.name === "expired" && token.expiresAt <= state.token.expiresAt) {
      throw new TokenRefusedError(
        "token_expired",
        "expired on this connection already, whatever the clock says now",
      );
    }
    this.#activate(token);
    return this.#describeRefresh(token, true);
  }

  /** Who the session is for, live or expired. */
  identity(): VerifiedToken | null {
    this.check();
    const state = this.#state;
    return state.name === "active" || state.name === "expired" ? state.token : null;
  }

  /**
   * Back to OPEN, with a new deadline. Throws {@link AuthFault} when there is nobody to log out.
   */
  logout(): void {
    const refusal =
      this.identity() === null
        ? errorOf("unauthenticated", { hint: "nobody is logged in here" })
        : null;
    if (refusal !== null) throw new AuthFault(refusal);
    this.#transition(this.#freshlyOpen(never));
    this.#observer.identified(null);
  }

  whoami(): WhoamiResult {
    const token = this.identity();
    const state = this.#state;
    const { clock, connectionId } = this.#ports;
    return {
      state: state.name === "closed" ? "open" : state.name,
      subject: token?.subject ?? null,
      scopes: token?.scopes ?? [],
      expiresIn: state.name === "active" ? seconds(this.#left(state)) : token === null ? null : 0,
      grace: this.#limits.grace / 1000,
      serverTime: clock.now() / 1000,
      connectionId,
    };
  }

  /** The connection has closed: nothing will ever be stored or told again. */
  close(): void {
    if (this.#state.name !== "closed") this.#transition({ name: "closed", because: null });
  }

  #checkOpen(state: State & { name: "open" }): void {
    const now = this.#ports.clock.monotonic();
    if (now >= state.closeAt) {
      this.#end("auth_timeout");
    } else if (now >= state.remindAt) {
      this.#transition({ ...state, remindAt: never });
      this.#observer.required(seconds(state.closeAt - now));
    }
  }

  #checkActive(state: State & { name: "active" }): void {
    if (this.#seesRevocation(state)) return this.check();
    const { clock } = this.#ports;
    const left = this.#left(state);
    if (state.revokedAt?.isOver(clock)) {
      this.#end("token_revoked");
    } else if (left <= 0) {
      this.#expire(state);
    } else if (left <= state.warnBefore) {
      this.#transition({ ...state, warnBefore: -never });
      this.#observer.expiring(seconds(left));
    }
  }

  #checkExpired(state: State & { name: "expired" }): void {
    if (this.#seesRevocation(state)) return this.check();
    const { clock } = this.#ports;
    const now = clock.monotonic();
    if (state.revokedAt?.isOver(clock)) this.#end("token_revoked");
    else if (now >= state.closeAt || now >= this.#capAt) this.#end("token_expired");
  }

  /**
   * True when a new revocation has changed the state: the session has ended, or its end is set and
   * announced to the client.
   */
  #seesRevocation(state: State & { name: "active" | "expired" }): boolean {
    const { clock, revocations } = this.#ports;
    if (revocations.version === this.#seenRevocations) return false;
    this.#seenRevocations = revocations.version;
    const hit = revocations.find(state.token);
    if (hit === undefined) return false;
    const revokedAt = new Expiry(hit.enforceAt ?? 0, clock);
    if (state.revokedAt !== null && state.revokedAt.at <= revokedAt.at) return false;
    if (revokedAt.isOver(clock)) {
      this.#end("token_revoked");
    } else {
      this.#transition({ ...state, revokedAt });
      this.#observer.refreshRequired(seconds(revokedAt.left(clock)), hit.reason ?? "revoked");
    }
    return true;
  }

  #expire({ token, revokedAt }: State & { name: "active" }): void {
    const { grace } = this.#limits;
    const now = this.#ports.clock.monotonic();
    if (grace === 0 || now >= this.#capAt) {
      this.#end("token_expired");
      return;
    }
    this.#transition({ name: "expired", token, closeAt: now + grace, revokedAt });
    this.#observer.expired(grace / 1000);
  }

  /**
   * Milliseconds that the session has left: until the token expires, or the longest session is
   * over.
   */
  #left({ expiry }: State & { name: "active" }): number {
    const { clock } = this.#ports;
    const left = expiry.left(clock);
    return this.#capAt === never ? left : Math.min(left, this.#capAt - clock.monotonic());
  }

  #mustBeUsable(token: VerifiedToken): void {
    if (this.#state.name === "closed")
      throw new AuthFault(errorOf("unauthenticated"), "the connection closed meanwhile");
    if (new Expiry(token.expiresAt, this.#ports.clock).isOver(this.#ports.clock))
      throw new TokenRefusedError("token_expired", "expired while it was verified");
    if (this.#ports.revocations.find(token) !== undefined)
      throw new TokenRefusedError(
        "token_revoked",
        "the token, its session or its subject was revoked",
      );
  }

  #activate(token: VerifiedToken): void {
    const { clock, revocations } = this.#ports;
    const expiry = new Expiry(token.expiresAt, clock);
    const left = Math.min(expiry.left(clock), this.#capAt - clock.monotonic());
    this.#seenRevocations = revocations.version;
    this.#transition({
      name: "active",
      token,
      expiry,
      warnBefore: warningLead(left),
      revokedAt: null,
      login:
        token.authenticatedAt === undefined ? undefined : new Expiry(token.authenticatedAt, clock),
    });
    this.#observer.identified(token);
  }

  #end(reason: SessionEnd): void {
    this.#transition({ name: "closed", because: reason });
    this.#observer.ended(reason);
  }

  #freshlyOpen(remindIn: number): State {
    const now = this.#ports.clock.monotonic();
    return {
      name: "open",
      closeAt: now + this.#limits.authDeadline,
      remindAt: now + remindIn,
    };
  }

  #transition(next: State): void {
    this.#state = next;
    this.#arm();
  }

  /**
   * One timer a session, for whatever comes next. It may fire early: `check` compares, and it is
   * armed again. So one that fires early enough is left as it is: a refresh sets none, and a
   * connection two instead of three.
   */
  #arm(): void {
    const delay = this.#untilNext();
    const due = this.#ports.clock.monotonic() + delay;
    if (delay !== never && this.#armedFor <= due) return;
    this.#cancelTimer();
    this.#armedFor = due;
    this.#cancelTimer =
      delay === never ? () => {} : this.#ports.clock.after(Math.max(delay, 1), this.#onTimer);
  }

  readonly #onTimer = (): void => {
    this.#armedFor = never;
    this.check();
    this.#arm();
  };

  #untilNext(): number {
    const { clock } = this.#ports;
    const state = this.#state;
    switch (state.name) {
      case "open":
        return Math.min(state.closeAt, state.remindAt) - clock.monotonic();
      case "active": {
        const left = this.#left(state);
        const next = state.warnBefore === -never ? left : left - state.warnBefore;
        return Math.min(next, state.revokedAt?.left(clock) ?? never);
      }
      case "expired":
        return Math.min(
          Math.min(state.closeAt, this.#capAt) - clock.monotonic(),
          state.revokedAt?.left(clock) ?? never,
        );
      case "closed":
        return never;
    }
  }

  /** Not by a spread, which takes 3 µs where numbers are fractions. */
  #describeRefresh(token: VerifiedToken, changed: boolean): RefreshResult {
    return Object.assign(this.#describe(token), { changed, gap: false });
  }

  #describe(token: VerifiedToken): AuthenticateResult {
    const { clock, connectionId, random } = this.#ports;
    const state = this.#state;
    const expiresIn = state.name === "active" ? seconds(this.#left(state)) : 0;
    return {
      subject: token.subject,
      scopes: token.scopes,
      connectionId,
      expiresIn,
      expiresAt: token.expiresAt / 1_000,
      refreshIn: refreshAdvice(expiresIn, random()),
      grace: this.#limits.grace / 1000,
      serverTime: clock.now() / 1000,
    };
  }
}
