/**
 * The rules of a session, told a second time and in the plainest way, for a test that compares the
 * two. It shares no code with the server: it reads the clocks, keeps a list of revocations, and
 * says what must have been answered, pushed and closed by now.
 */
import { expect } from "chai";
import type { Clock } from "../../../src/runtime/clock.js";

/** What a token says, and what its verification comes to. Times in seconds. */
export interface ModelToken {
  readonly name: string;
  readonly subject: string;
  readonly expiresAt: number;
  readonly issuedAt: number;
  readonly mayWrite: boolean;
  /** Its scopes. Default: `write`, if it may. */
  readonly scopes?: readonly string[];
  /** Default: none. */
  readonly acrValues?: readonly string[];
  /** Milliseconds. Default: the token does not say. */
  readonly authenticatedAt?: number | undefined;
  readonly kind: "genuine" | "forged" | "unjudged";
}

export type ModelMethod = "now" | "read" | "write" | "slow" | "announce" | "ping" | "whoami";

export type ModelFrame =
  | { readonly kind: "authenticate" | "refresh"; readonly id: number; readonly token: ModelToken }
  | { readonly kind: "logout"; readonly id: number }
  | { readonly kind: "call"; readonly id: number; readonly method: ModelMethod }
  | { readonly kind: "cancel"; readonly target: number };

export interface ModelRevocation {
  readonly tokenId?: string;
  readonly subject?: string;
  /** Seconds. */
  readonly issuedBefore?: number;
  /** Milliseconds until live sessions end; 0: at once. */
  readonly margin: number;
}

/** With the moments, by either clock, at which it ends live sessions. */
interface DatedRevocation extends ModelRevocation {
  readonly wallEnd: number;
  readonly end: number;
}

/** What must stand in the response to a request. */
export interface Expected {
  /**
   * The codes it may fail with; empty: it must succeed; undefined: the last word on a connection
   * that closes in this turn.
   */
  readonly codes: readonly number[] | undefined;
  /** Members of the result. */
  readonly result?: Readonly<Record<string, unknown>>;
  /** The connection may have closed before. */
  readonly isOptional?: boolean;
}

/** Milliseconds. */
export interface ModelLimits {
  readonly authDeadline: number;
  readonly grace: number;
  readonly requestTimeout: number;
}

const maxWaiting = 16;
const maxHeld = 256;
const maxFailures = 5;
const maxFailedRefreshes = 10;

export class SessionReference {
  state: "open" | "live" | "expired" | "closed" = "open";
  token: ModelToken | undefined;
  readonly expected = new Map<number, Expected>();
  readonly pushes: number[] = [];
  /** Request → the subject that its handler must see. */
  readonly runs: (readonly [id: number, subject: string])[] = [];
  /** Requests whose handlers have not ended. */
  readonly slow = new Set<number>();
  /** Those of them that have no answer yet, and since when. */
  readonly #inFlight = new Map<number, number>();
  /** Handlers whose user has logged out meanwhile. */
  readonly #orphans = new Set<number>();
  readonly #clock: Clock;
  readonly #limits: ModelLimits;
  readonly #revocations: DatedRevocation[] = [];
  #openUntil: number;
  #deadline = 0;
  #isWallStepped = false;
  /** In EXPIRED: the first and the last moment at which the grace may be over, monotonic. */
  #closesFrom = 0;
  #closesTo = 0;
  #lookedAt: number;
  #held: number[] = [];
  #isOverflown = false;
  #failures = 0;
  /** When they were, monotonic. */
  #failedRefreshes: number[] = [];
  readonly #lane: Exclude<ModelFrame, { kind: "call" | "cancel" }>[] = [];
  #waiting: ModelFrame[] = [];

  constructor(clock: Clock, limits: ModelLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.#lookedAt = clock.monotonic();
    this.#openUntil = clock.monotonic() + limits.authDeadline;
  }

  get isClosed(): boolean {
    return this.state === "closed";
  }

  get isWallStepped(): boolean {
    return this.#isWallStepped;
  }

  get isVerifying(): boolean {
    return this.#lane.length > 0 && this.state !== "closed";
  }

  get isOverflown(): boolean {
    return this.#isOverflown;
  }

  /** Are there frames that wait for an auth call to end? */
  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  whoami(): Readonly<Record<string, unknown>> {
    const { token } = this;
    const left =
      token === undefined
        ? 0
        : Math.min(
            token.expiresAt * 1000 - this.#clock.now(),
            this.#deadline - this.#clock.monotonic(),
          );
    return {
      state: this.state === "live" ? "active" : this.state,
      subject: token?.subject ?? null,
      scopes: token?.mayWrite === true ? ["write"] : [],
      expiresIn: token === undefined ? null : this.state === "live" ? Math.ceil(left / 1000) : 0,
    };
  }

  /** Can it be told from the rules alone whether the connection is closed by now? */
  get isClosedOrNot(): "certain" | "either" {
    // a margin that is cut short breaks no rule
    const isHit = this.token !== undefined && this.#hits(this.token).length > 0;
    const isGraceOver = this.state === "expired" && this.#clock.monotonic() >= this.#closesFrom;
    return isHit || isGraceOver ? "either" : "certain";
  }

  /** Takes over what was seen, where the rules allow both. */
  seen(isClosed: boolean): void {
    if (this.state === "closed") expect(isClosed, "the connection must be closed").to.equal(true);
    else if (isClosed) {
      expect(this.isClosedOrNot, `closed in ${this.state}`).to.equal("either");
      this.close();
    }
  }

  /** Brings the state up to the present, as any frame, push or timer does. */
  look(): void {
    const now = this.#clock.monotonic();
    if (this.state === "open" && now >= this.#openUntil) this.close();
    if (this.state === "live" && this.token !== undefined) this.#lookAtLive(this.token, now);
    if (
      this.state === "expired" &&
      this.token !== undefined &&
      (now >= this.#closesTo || this.#isCutOff(this.token))
    )
      this.close();
    this.#lookedAt = now;
  }

  close(): void {
    this.state = "closed";
    this.#inFlight.clear();
    this.#lane.length = 0;
    this.#waiting = [];
  }

  passed(): void {
    const now = this.#clock.monotonic();
    const late = [...this.#inFlight].filter(
      ([, since]) => now - since >= this.#limits.requestTimeout,
    );
    this.look();
    for (const [id] of late) {
      this.#inFlight.delete(id);
      this.expected.set(id, { codes: [-32008], isOptional: this.state === "closed" });
    }
  }

  wallStepped(): void {
    this.#isWallStepped = true;
  }

  revoke(revocation: ModelRevocation): void {
    const { margin } = revocation;
    this.#revocations.push({
      ...revocation,
      wallEnd: this.#clock.now() + margin,
      end: this.#clock.monotonic() + margin,
    });
    this.look();
  }

  push(number: number): void {
    this.look();
    if (this.state === "live") this.pushes.push(number);
    if (this.state !== "expired" || this.#isOverflown) return;
    this.#held.push(number);
    if (this.#held.length <= maxHeld) return;
    this.#held = [];
    this.#isOverflown = true;
  }

  receive(frame: ModelFrame): void {
    this.look();
    if (this.state === "closed") {
      if (frame.kind !== "cancel")
        this.expected.set(frame.id, { codes: undefined, isOptional: true });
      return;
    }
    if (!this.#isBlocked) return this.#process(frame);
    this.#waiting.push(frame);
    if (this.#waiting.length > maxWaiting) this.close();
  }

  /** The handler of this call ends: what it pushes comes before its answer. */
  finishCall(id: number): void {
    if (!this.slow.delete(id)) return;
    if (!this.#orphans.delete(id)) this.push(id);
    if (this.#inFlight.delete(id)) this.expected.set(id, { codes: [] });
  }

  /** The token of the auth call that runs has been judged. */
  finishVerification(): void {
    const [frame] = this.#lane;
    if (frame === undefined || frame.kind === "logout") return;
    this.look();
    if (this.state === "closed") return;
    this.#judge(frame.kind, frame.id, frame.token);
    this.#next();
  }

  get #isBlocked(): boolean {
    return this.#lane.some(({ kind }) => kind !== "refresh" || this.state !== "live");
  }

  #lookAtLive(token: ModelToken, now: number): void {
    if (this.#isCutOff(token)) return this.close();
    if (!this.#isOver(token)) return;
    const overAt = Math.max(
      Math.min(this.#deadline, now - (this.#clock.now() - token.expiresAt * 1000)),
      this.#lookedAt,
    );
    this.state = "expired";
    this.#closesFrom = overAt + this.#limits.grace;
    this.#closesTo = (this.#isWallStepped ? now : overAt) + this.#limits.grace;
  }

  #process(frame: ModelFrame): void {
    if (frame.kind === "call") return this.#call(frame.id, frame.method);
    if (frame.kind === "cancel") {
      if (this.#inFlight.delete(frame.target)) this.expected.set(frame.target, { codes: [-32011] });
      return;
    }
    if (this.#lane.length > maxWaiting) {
      this.expected.set(frame.id, { codes: [-32029] });
      return;
    }
    this.#lane.push(frame);
    if (this.#lane.length === 1) this.#start();
  }

  /** Answers auth calls that need no verification, up to one that does. */
  #start(): void {
    for (let [frame] = this.#lane; frame !== undefined; [frame] = this.#lane) {
      const isIdentified = this.state === "live" || this.state === "expired";
      if (frame.kind === "authenticate" && !isIdentified) return;
      if (!isIdentified) {
        this.expected.set(frame.id, { codes: [-32001] });
      } else if (frame.kind === "logout") {
        this.expected.set(frame.id, { codes: [], result: { ok: true } });
        this.#reopen();
      } else {
        if (!this.#isRefusedForRate()) return;
        this.expected.set(frame.id, { codes: [-32029] });
      }
      this.#lane.shift();
      this.#release();
    }
  }

  #next(): void {
    this.#lane.shift();
    if (this.state === "closed") return;
    this.#start();
    this.#release();
  }

  #release(): void {
    while (!this.#isBlocked && this.state !== "closed") {
      const frame = this.#waiting.shift();
      if (frame === undefined) return;
      this.#process(frame);
    }
  }

  #isRefusedForRate(): boolean {
    const since = this.#clock.monotonic() - 60_000;
    this.#failedRefreshes = this.#failedRefreshes.filter((at) => at > since);
    return this.#failedRefreshes.length >= maxFailedRefreshes;
  }

  #judge(kind: "authenticate" | "refresh", id: number, token: ModelToken): void {
    const codes = this.#faults(token);
    if (codes.length > 0) {
      this.expected.set(id, { codes });
      this.#countFailure(kind, codes);
      return;
    }
    if (kind === "authenticate") this.#failures = 0;
    const isLate =
      this.state === "live" && this.token !== undefined && this.#isNoNewer(token, this.token);
    const isFirst = this.state === "open";
    const current = isLate && this.token !== undefined ? this.token : token;
    if (!isLate) this.#accept(token);
    const told = isFirst ? {} : { changed: !isLate, gap: this.#isOverflown };
    this.expected.set(id, {
      codes: [],
      result: { subject: current.subject, expiresAt: current.expiresAt, ...told },
    });
    this.pushes.push(...this.#held);
    this.#held = [];
    this.#isOverflown = false;
  }

  #faults(token: ModelToken): readonly number[] {
    if (token.kind === "forged") return [-32004];
    if (token.kind === "unjudged") return [-32007];
    const ranOut =
      this.state === "expired" &&
      this.token !== undefined &&
      token.expiresAt <= this.token.expiresAt; // as this session did
    const isOver = ranOut || this.#clock.now() >= token.expiresAt * 1000;
    return [
      ...(this.token !== undefined && this.token.subject !== token.subject ? [-32006] : []),
      ...(isOver ? [-32002] : []),
      ...(this.#hits(token).length > 0 ? [-32005] : []),
    ];
  }

  #countFailure(kind: "authenticate" | "refresh", codes: readonly number[]): void {
    if (codes.includes(-32007)) return;
    if (this.state !== "open")
      this.#failedRefreshes.push(this.#clock.monotonic()); // authenticate acts as refresh there
    else if (kind === "authenticate" && ++this.#failures >= maxFailures) this.close();
  }

  #accept(token: ModelToken): void {
    this.state = "live";
    this.token = token;
    this.#deadline = this.#clock.monotonic() + (token.expiresAt * 1000 - this.#clock.now());
    this.#isWallStepped = false;
  }

  #reopen(): void {
    for (const id of this.#inFlight.keys()) this.expected.set(id, { codes: [-32011] });
    for (const id of this.slow) this.#orphans.add(id);
    this.#inFlight.clear();
    this.state = "open";
    this.token = undefined;
    this.#held = [];
    this.#isOverflown = false;
    this.#openUntil = this.#clock.monotonic() + this.#limits.authDeadline;
  }

  #call(id: number, method: ModelMethod): void {
    const codes = this.#objections(method);
    if (codes.length > 0 || method === "ping" || method === "now") {
      this.expected.set(id, { codes });
      return;
    }
    if (method === "whoami") {
      this.expected.set(id, { codes, result: this.whoami() });
      return;
    }
    this.runs.push([id, this.token?.subject ?? "nobody"]);
    if (method === "announce") this.pushes.push(id);
    if (method !== "slow") {
      this.expected.set(id, { codes });
      return;
    }
    this.slow.add(id);
    this.#inFlight.set(id, this.#clock.monotonic());
  }

  #objections(method: ModelMethod): readonly number[] {
    if (method === "ping" || method === "now" || method === "whoami" || this.state === "closed")
      return [];
    if (this.state === "open") return [-32001];
    if (this.state === "expired") return [-32002];
    return method === "write" && this.token?.mayWrite !== true ? [-32003] : [];
  }

  /** The same one, or one that was issued earlier. */
  #isNoNewer(token: ModelToken, current: ModelToken): boolean {
    return token.name === current.name || token.issuedAt < current.issuedAt;
  }

  #isOver(token: ModelToken): boolean {
    return this.#clock.now() >= token.expiresAt * 1000 || this.#clock.monotonic() >= this.#deadline;
  }

  #hits(token: ModelToken): readonly DatedRevocation[] {
    return this.#revocations.filter(
      ({ tokenId, subject, issuedBefore }) =>
        tokenId === token.name ||
        (subject === token.subject && token.issuedAt <= (issuedBefore ?? Number.POSITIVE_INFINITY)),
    );
  }

  /** Revoked, and the margin is over. */
  #isCutOff(token: ModelToken): boolean {
    return this.#hits(token).some(
      ({ margin, wallEnd, end }) =>
        margin === 0 || this.#clock.now() >= wallEnd || this.#clock.monotonic() >= end,
    );
  }
}
