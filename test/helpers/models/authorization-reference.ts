/**
 * Who may call what, told a second time and in the plainest way, for a test that compares the two.
 * It shares no code with the server: it knows the declared rules, the token and the time, and says
 * which functions of the application must have run, and what each call must have been answered.
 */
import type { Clock } from "../../../src/runtime/clock.js";

export const scopes = ["a", "b", "c"] as const;
export type Scope = (typeof scopes)[number];

/** What a function of the application comes to: at once, or when the test says so. */
export interface Answer {
  readonly is: "yes" | "no" | "failure";
  readonly isLate: boolean;
}

/** One declared method, generator or topic. */
export interface DeclaredRule {
  readonly kind: "method" | "generator" | "topic";
  readonly isPublic: boolean;
  readonly scope: { readonly of: "all" | "any"; readonly names: readonly Scope[] };
  /** The login that a method needs; `maxAge` in milliseconds. */
  readonly stepUp: { readonly acr?: readonly string[]; readonly maxAge?: number } | undefined;
  /** What its schema says; undefined: it has none. */
  readonly params: Answer | undefined;
  /** What `authorize` says, in turn; empty: there is none. */
  readonly authorize: readonly Answer[];
  readonly handler: Answer;
  /** Milliseconds; undefined: the server's. */
  readonly timeout: number | undefined;
}

/** Times in milliseconds. */
export interface RuleToken {
  readonly subject: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: number;
  readonly acrValues: readonly string[];
  readonly authenticatedAt: number | undefined;
}

/** What must stand in a response: nothing but this. */
export interface Expected {
  readonly code?: number;
  readonly reason?: string;
  readonly missing?: readonly string[];
  readonly rule?: string;
  readonly acrValues?: readonly string[];
  readonly maxAge?: number;
}

export interface RuleLimits {
  readonly grace: number;
  readonly requestTimeout: number;
}

type Stage = "params" | "authorize" | "handler" | "over";

interface ModelCall {
  readonly number: number;
  readonly rule: DeclaredRule;
  readonly isNotification: boolean;
  /** The token that admitted it. */
  readonly token: RuleToken | undefined;
  stage: Stage;
  /** How many of its questions had to wait for an answer. */
  waits: number;
  /** When it is answered in any case. */
  deadline: number;
}

/** The right to a subscription, from its first question on. */
interface ModelRight {
  readonly call: ModelCall;
  /** How often the rule was asked. */
  asked: number;
  isOut: boolean;
  /** It must be asked once more when the answer that is out has come. */
  isOutdated: boolean;
  /** When the question that is out counts as a no; never for the first one. */
  deadline: number;
  isOver: boolean;
}

const never = Number.POSITIVE_INFINITY;
const longestRule = 300_000;

export class AuthorizationReference {
  state: "open" | "active" | "expired" | "closed" = "open";
  token: RuleToken | undefined;
  /** What the calls since the last look must have been answered. */
  readonly expected = new Map<number, Expected>();
  /** Functions of the application that ran: number of the call, which one, for whom. */
  readonly runs: string[] = [];
  /** Subscriptions that ended: number of the call, and why. */
  readonly ended: string[] = [];
  /** Failed rules that are in the log. */
  logged = 0;
  /** Questions to the application that are out, by name: each goes on with its answer. */
  readonly out = new Map<string, () => void>();
  readonly #clock: Clock;
  readonly #limits: RuleLimits;
  #calls: ModelCall[] = [];
  /** First those that have begun. */
  #rights: ModelRight[] = [];
  #closesAt = never;

  constructor(clock: Clock, limits: RuleLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Calls that have no answer yet. */
  get inFlight(): readonly number[] {
    return this.#calls.filter(({ isNotification }) => !isNotification).map(({ number }) => number);
  }

  authenticate(token: RuleToken): void {
    this.token = token;
    this.state = "active";
  }

  refresh(token: RuleToken): void {
    this.token = token;
    this.state = "active";
    this.#closesAt = never;
    for (const right of [...this.#rights]) this.#ask(right);
  }

  reauthorize(): void {
    for (const right of [...this.#rights])
      if (right.call.rule.authorize.length > 0) this.#ask(right);
  }

  logout(): void {
    for (const call of [...this.#calls]) this.#finish(call, { code: -32011, reason: "cancelled" });
    for (const right of this.#rights.filter(({ call }) => call.stage === "over"))
      this.#end(right, "logout");
    this.#forgetAll();
    this.state = "open";
    this.token = undefined;
  }

  /** The connection closes: nobody hears anything any more. */
  close(): void {
    this.state = "closed";
    this.expected.clear();
    this.#forgetAll();
  }

  cancel(number: number): void {
    const call = this.#calls.find((one) => one.number === number);
    if (call !== undefined) this.#finish(call, { code: -32011, reason: "cancelled" });
  }

  /** A little time has passed: at most one thing is due. */
  passed(): void {
    const now = this.#clock.now();
    for (const call of [...this.#calls]) if (call.deadline <= now) this.#timeOut(call);
    for (const right of [...this.#rights])
      if (right.isOut && right.deadline <= now) {
        if (!right.isOutdated) this.logged++;
        this.#answered(right, false);
      }
    if (this.state === "expired" && now >= this.#closesAt) this.close();
    if (this.state !== "active" || now < (this.token?.expiresAt ?? never)) return;
    this.state = "expired";
    this.#closesAt = now + this.#limits.grace;
  }

  call(number: number, rule: DeclaredRule, isNotification: boolean): void {
    const refused = this.#refusal(rule);
    const token = this.state === "active" ? this.token : undefined;
    const timeout = rule.timeout ?? this.#limits.requestTimeout;
    const deadline = this.#clock.now() + timeout;
    const stage: Stage = "params";
    const call: ModelCall = { number, rule, isNotification, token, stage, waits: 0, deadline };
    this.#calls.push(call);
    if (refused !== undefined) this.#finish(call, refused);
    else if (rule.params === undefined) this.#checked(call);
    else
      this.#run(call, "params", rule.params, (is) => {
        if (call.stage !== "params") return;
        const late = rule.params?.isLate && !rule.isPublic ? this.#refusal(rule) : undefined;
        if (is === "failure") this.#finish(call, { code: -32603 });
        else if (late !== undefined) this.#finish(call, late);
        else if (is === "no") this.#finish(call, { code: -32602 });
        else this.#checked(call);
      });
  }

  /** Answers one of the questions that are out. */
  answer(name: string): void {
    const goOn = this.out.get(name);
    this.out.delete(name);
    goOn?.();
  }

  /** The params fit. */
  #checked(call: ModelCall): void {
    const { rule } = call;
    if (rule.kind !== "method") return this.#subscribe(call);
    call.stage = "authorize";
    const [answer] = rule.authorize;
    if (answer === undefined) return this.#handle(call);
    if (answer.isLate && call.deadline === never)
      call.deadline = this.#clock.now() + this.#limits.requestTimeout;
    this.#run(call, "authorize", answer, (is) => {
      if (call.stage !== "authorize") return;
      if (rule.timeout === never) call.deadline = never;
      if (is === "failure") this.logged++;
      const late = answer.isLate ? this.#refusal(rule) : undefined;
      if (late !== undefined) this.#finish(call, late);
      else if (is === "yes") this.#handle(call);
      else this.#finish(call, denied);
    });
  }

  #handle(call: ModelCall): void {
    call.stage = "handler";
    this.#run(call, "handler", call.rule.handler, (is) => {
      if (call.stage === "handler") this.#finish(call, is === "failure" ? { code: -32603 } : {});
    });
  }

  #subscribe(call: ModelCall): void {
    if (call.isNotification) return this.#finish(call, {});
    if (call.rule.kind === "topic") this.runs.push(`${call.number} key`);
    call.stage = "authorize";
    const right = {
      call,
      asked: 0,
      isOut: false,
      isOutdated: false,
      deadline: never,
      isOver: false,
    };
    this.#rights.push(right);
    this.#ask(right);
  }

  /** Asks for a right: for the first time, or again. */
  #ask(right: ModelRight): void {
    if (right.isOut) right.isOutdated = true;
    else this.#askNow(right);
  }

  #askNow(right: ModelRight): void {
    const { call } = right;
    const { rule } = call;
    const isFirst = call.stage === "authorize";
    if (this.#lacks(rule) !== undefined || (isFirst && this.#refusal(rule) !== undefined))
      return this.#answered(right, false);
    const answer = rule.authorize[right.asked++ % rule.authorize.length];
    if (answer === undefined) return this.#answered(right, true);
    right.isOut = answer.isLate;
    right.deadline =
      isFirst || !answer.isLate
        ? never
        : this.#clock.now() + Math.min(this.#limits.requestTimeout, longestRule);
    const question = right.asked;
    this.#run(call, "authorize", answer, (is) => {
      if (right.isOver || right.asked !== question) return;
      if (is === "failure" && !right.isOutdated) this.logged++;
      this.#answered(right, is === "yes");
    });
  }

  #answered(right: ModelRight, isAllowed: boolean): void {
    const { call } = right;
    right.isOut = false;
    right.deadline = never;
    if (right.isOutdated) {
      right.isOutdated = false;
      return this.#askNow(right);
    }
    if (call.stage === "over") {
      if (!isAllowed) this.#end(right, "forbidden");
      return;
    }
    const refused = this.#refusal(call.rule);
    if (refused !== undefined) return this.#finish(call, refused);
    if (!isAllowed) return this.#finish(call, denied);
    this.#begin(right);
  }

  /** The subscription is granted, and its generator begins. */
  #begin(right: ModelRight): void {
    const { call } = right;
    this.#calls = this.#calls.filter((one) => one !== call);
    const others = this.#rights.filter((one) => one !== right);
    const hasBegun = (one: ModelRight) => one.call.stage === "over";
    this.#rights = [...others.filter(hasBegun), right, ...others.filter((one) => !hasBegun(one))];
    call.stage = "over";
    this.expected.set(call.number, {});
    if (call.rule.kind !== "generator") return;
    this.#run(call, "handler", { ...call.rule.handler, isLate: false }, (is) => {
      if (is === "failure") this.#end(right, "error");
    });
  }

  #timeOut(call: ModelCall): void {
    if (call.stage !== "authorize") return this.#finish(call, { code: -32008, reason: "timeout" });
    this.logged++;
    this.#finish(call, denied);
  }

  /** Runs a function of the application, and goes on with what it comes to. */
  #run(call: ModelCall, what: Stage, answer: Answer, then: (is: Answer["is"]) => void): void {
    const whom = what === "params" ? "" : ` for ${this.#whom(call)}`;
    this.runs.push(`${call.number} ${what}${whom}`);
    if (answer.isLate)
      this.out.set(`${call.number} ${what} ${call.waits++}`, () => then(answer.is));
    else then(answer.is);
  }

  /** A method is run for the token that admitted it, a subscription for the newest one. */
  #whom({ rule, token }: ModelCall): string {
    const seen = rule.kind === "method" ? token : this.token;
    return seen === undefined ? "nobody" : `${seen.subject} with ${seen.scopes.join("+")}`;
  }

  /** The answer, unless it has one. */
  #finish(call: ModelCall, expected: Expected): void {
    call.stage = "over";
    this.#calls = this.#calls.filter((one) => one !== call);
    for (const right of this.#rights.filter((one) => one.call === call)) this.#forget(right);
    if (!call.isNotification) this.expected.set(call.number, expected);
  }

  #end(right: ModelRight, reason: string): void {
    this.#forget(right);
    this.ended.push(`${right.call.number} ${reason}`);
  }

  #forget(right: ModelRight): void {
    right.isOver = true;
    this.#rights = this.#rights.filter((one) => one !== right);
  }

  #forgetAll(): void {
    for (const right of [...this.#rights]) this.#forget(right);
    for (const call of this.#calls.splice(0)) call.stage = "over";
  }

  #refusal(rule: DeclaredRule): Expected | undefined {
    if (rule.isPublic) return undefined;
    if (this.state === "expired") return { code: -32002, reason: "token_expired" };
    if (this.state !== "active") return { code: -32001, reason: "unauthenticated" };
    return this.#lacks(rule) ?? this.#needsLogin(rule);
  }

  #needsLogin({ stepUp }: DeclaredRule): Expected | undefined {
    if (stepUp === undefined) return undefined;
    const { acr, maxAge } = stepUp;
    const { acrValues = [], authenticatedAt } = this.token ?? {};
    const isStrong = acr === undefined || acr.some((name) => acrValues.includes(name));
    const loggedInAt = authenticatedAt ?? Number.NEGATIVE_INFINITY;
    const isNew = maxAge === undefined || this.#clock.now() - loggedInAt <= maxAge;
    if (isStrong && isNew) return undefined;
    return {
      ...{ code: -32012, reason: "step_up_required" },
      ...(acr === undefined ? {} : { acrValues: acr }),
      ...(maxAge === undefined ? {} : { maxAge: maxAge / 1_000 }),
    };
  }

  #lacks({ isPublic, scope: { of, names } }: DeclaredRule): Expected | undefined {
    if (isPublic || names.length === 0) return undefined;
    const lacking = names.filter((name) => this.token?.scopes.includes(name) !== true);
    if (of === "any" && lacking.length < names.length) return undefined;
    if (lacking.length === 0) return undefined;
    return { code: -32003, reason: "forbidden", missing: of === "any" ? names : lacking };
  }
}

const denied: Expected = { code: -32003, reason: "forbidden", missing: [], rule: "authorize" };
