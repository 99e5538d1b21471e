import { expect } from "chai";
import fc from "fast-check";
import type { Logger } from "../../src/index.js";
import { ManualClock } from "../helpers/manual-clock.js";
import {
  type Answer,
  AuthorizationReference,
  type DeclaredRule,
  type Expected,
  type RuleToken,
  type Scope,
  scopes,
} from "../helpers/models/authorization-reference.js";
import { RuledApplication } from "../helpers/models/ruled-application.js";
import { ConnectionHarness } from "../helpers/server/connection-harness.js";
import type { Message } from "../helpers/server/raw-client.js";

const runs = Number(process.env.AUTHORIZATION_MODEL_RUNS ?? 600);
const seed = Number(process.env.AUTHORIZATION_MODEL_SEED ?? 1);
// so that deadlines, which are no whole seconds, never come together with an expiry
const limits = { grace: 30_000, requestTimeout: 20_300 };
const rulesPerRun = 3;
const maxCalls = 10; // so that no right waits for its turn to be asked

type Step =
  | { readonly is: "call"; readonly rule: number; readonly isNotification: boolean }
  | { readonly is: "answer" | "cancel"; readonly index: number }
  | { readonly is: "seconds"; readonly count: number }
  | {
      readonly is: "log in" | "refresh";
      readonly subject: string;
      readonly scopes: readonly Scope[];
      readonly expiresIn: number;
      readonly acrValues: readonly string[];
      /** Seconds since the user logged in; undefined: the token does not say. */
      readonly age: number | undefined;
    }
  | { readonly is: "logout" | "revoke" | "reauthorize" };

/** Both sides of the comparison. */
class Pair {
  /** Each way in which a call ended, with the kind of its declaration. */
  readonly outcomes = new Set<string>();
  readonly called = new Set<DeclaredRule>();
  readonly #clock = new ManualClock();
  readonly #model = new AuthorizationReference(this.#clock, limits);
  readonly #application = new RuledApplication();
  readonly #real: ConnectionHarness;
  readonly #rules: readonly DeclaredRule[];
  readonly #ruleOf = new Map<number, DeclaredRule>();
  readonly #callOf = new Map<unknown, number>();
  #logged = 0;
  #tokens = 0;

  constructor(rules: readonly DeclaredRule[]) {
    this.#rules = rules;
    const log: Logger = { debug() {}, info() {}, warn() {}, error: (line) => this.#log(line) };
    this.#real = new ConnectionHarness(
      this.#clock,
      { ...limits, authDeadline: 1_000_000_000 },
      { app: this.#application.router(rules), log },
    );
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      if (this.#model.state === "closed") break;
      await this.#take(step);
      await this.#compare();
    }
    // whatever the application answers in the end
    while (this.#model.out.size > 0) {
      this.#answer(0);
      await this.#compare();
    }
  }

  dispose(): void {
    this.#real.dispose();
  }

  async #take(step: Step): Promise<void> {
    switch (step.is) {
      case "call":
        return this.#call(step.rule, step.isNotification);
      case "answer":
        return this.#answer(step.index);
      case "cancel":
        return this.#cancel(step.index);
      case "seconds":
        return this.#pass(step.count);
      case "log in":
        return this.#logIn(step);
      case "refresh":
        return this.#refresh(step);
      case "logout":
        return this.#logout();
      case "revoke":
        return this.#revoke();
      case "reauthorize":
        this.#model.reauthorize();
        void this.#real.connection.subscriptions.reauthorize();
    }
  }

  #call(index: number, isNotification: boolean): void {
    if (this.#ruleOf.size === maxCalls) return;
    const rule = this.#rules[index % this.#rules.length] as DeclaredRule;
    const number = this.#ruleOf.size;
    this.#ruleOf.set(number, rule);
    this.called.add(rule);
    this.#model.call(number, rule, isNotification);
    const method = `rule${index % this.#rules.length}`;
    this.#real.send({ ...(isNotification ? {} : { id: number }), method, params: { number } });
  }

  #answer(index: number): void {
    const { out } = this.#application;
    const names = [...this.#model.out.keys()];
    expect([...out.keys()], "questions that are out").to.have.members(names);
    const name = names[index % names.length];
    if (name === undefined) return;
    this.#model.answer(name);
    out.get(name)?.();
    out.delete(name);
  }

  #cancel(index: number): void {
    const { inFlight } = this.#model;
    const id = inFlight[index % inFlight.length];
    if (id === undefined) return;
    this.#model.cancel(id);
    this.#real.send({ method: "$/cancelRequest", params: { id } });
  }

  /** Deadlines are at 300 or 700 ms after a second, everything else is at a whole one. */
  async #pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++)
      for (const piece of [300, 400, 300]) {
        if (this.#model.state === "closed") return;
        this.#clock.advance(piece);
        this.#model.passed();
        await this.#compare();
      }
  }

  #logIn(step: Step & { is: "log in" | "refresh" }): void {
    if (this.#model.state !== "open") return;
    this.#model.authenticate(this.#token(step, "authenticate"));
  }

  #refresh(step: Step & { is: "log in" | "refresh" }): void {
    const { state, token } = this.#model;
    if (state !== "active" && state !== "expired") return;
    const subject = token?.subject ?? "";
    this.#model.refresh(this.#token({ ...step, subject }, "refresh"));
  }

  #token(step: Step & { is: "log in" | "refresh" }, method: string): RuleToken {
    const name = `token ${this.#tokens++}`;
    const issuedAt = Math.floor(this.#clock.now() / 1_000);
    const { subject, scopes: granted, expiresIn, acrValues, age } = step;
    const authenticatedAt = age === undefined ? undefined : (issuedAt - age) * 1_000;
    const expiresAt = issuedAt + expiresIn;
    const token = { subject, scopes: granted, expiresAt, acrValues, authenticatedAt };
    this.#real.issue({ ...token, name, issuedAt, mayWrite: false, kind: "genuine" });
    this.#real.send({ id: name, method, params: { token: name } });
    this.#real.finishVerification();
    return { ...token, expiresAt: token.expiresAt * 1_000 };
  }

  #logout(): void {
    if (this.#model.token === undefined) return;
    this.#model.logout();
    this.#real.send({ id: "logout", method: "logout" });
  }

  #revoke(): void {
    const { token } = this.#model;
    if (token === undefined) return;
    this.#model.close();
    void this.#real.revocations.revoke({ subject: token.subject }, { margin: 0 });
  }

  #log(line: object): void {
    if ((line as { readonly event?: unknown }).event === "authorize.fail") this.#logged++;
  }

  /** Compares what has come of it since the last time. */
  async #compare(): Promise<void> {
    const model = this.#model;
    await this.#real.settle();
    const ran = byCall(this.#application.runs.splice(0));
    expect(ran, "functions that ran").to.deep.equal(byCall(model.runs.splice(0)));
    expect(this.#logged, "failed rules in the log").to.equal(model.logged);
    const ended: string[] = [];
    const received = this.#real.received();
    expect(this.#real.isClosed, "closed").to.equal(model.state === "closed");
    if (model.state === "closed") return;
    for (const message of received)
      if (message.method === "subscription.ended") ended.push(this.#ended(message));
      else if (typeof message.id === "number") this.#compareAnswer(message.id, message);
    expect([...model.expected.keys()], "calls without an answer").to.deep.equal([]);
    expect(ended.sort(), "subscriptions that ended").to.deep.equal(model.ended.splice(0).sort());
  }

  #ended({ params }: Message): string {
    const { subscription, reason } = Object(params) as Record<string, string>;
    const number = this.#callOf.get(subscription) as number;
    this.outcomes.add(`${this.#ruleOf.get(number)?.kind}: ended, ${reason}`);
    return `${number} ${reason}`;
  }

  #compareAnswer(number: number, { result, error }: Message): void {
    const rule = this.#ruleOf.get(number);
    const expected = this.#model.expected.get(number);
    this.#model.expected.delete(number);
    const { reason, missing, rule: by, acrValues, maxAge } = Object(error?.data) as Expected;
    const told = {
      ...(error === undefined ? {} : { code: error.code }),
      ...(reason === undefined ? {} : { reason }),
      ...(missing === undefined ? {} : { missing }),
      ...(by === undefined ? {} : { rule: by }),
      ...(acrValues === undefined ? {} : { acrValues }),
      ...(maxAge === undefined ? {} : { maxAge }),
    };
    expect(told, `answer to call ${number}`).to.deep.equal(expected);
    this.outcomes.add(`${rule?.kind}: ${outcomeOf(told)}`);
    if (error !== undefined) return;
    if (rule?.kind === "method") expect(result).to.equal("done");
    else this.#callOf.set((result as unknown as { subscription: string }).subscription, number);
  }
}

/** The order within each call is promised, that of calls which go on in the same moment is not. */
function byCall(ran: readonly string[]): readonly string[] {
  return [...ran].sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
}

function outcomeOf({ code, missing = [], rule }: Expected): string {
  if (code === undefined) return "answered";
  return rule === undefined ? `${code}${missing.length > 0 ? " missing" : ""}` : `${code} ${rule}`;
}

const weighted = <T>(...choices: readonly (readonly [weight: number, value: T])[]) =>
  fc.oneof(...choices.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));

const answer = (yes: number): fc.Arbitrary<Answer> =>
  fc.record({
    is: weighted<Answer["is"]>([yes, "yes"], [2, "no"], [1, "failure"]),
    isLate: fc.boolean(),
  });

const someScopes = fc.subarray([...scopes]);

const rule: fc.Arbitrary<DeclaredRule> = fc
  .record({
    kind: fc.constantFrom("method", "method", "generator", "topic"),
    isPublic: weighted([9, false], [1, true]),
    scope: fc.record({
      of: fc.constantFrom("all", "any"),
      names: fc.oneof(fc.constant([]), someScopes),
    }),
    stepUp: fc.option(
      fc.constantFrom(
        { acr: ["mfa"] },
        { maxAge: 10_000 },
        { acr: ["hardware", "mfa"], maxAge: 30_000 },
      ),
      { nil: undefined, freq: 2 },
    ),
    params: fc.option(answer(8), { nil: undefined, freq: 2 }),
    authorize: fc.oneof(
      { weight: 1, arbitrary: fc.constant([]) },
      { weight: 4, arbitrary: fc.array(answer(5), { minLength: 1, maxLength: 3 }) },
    ),
    handler: answer(8),
    timeout: weighted<number | undefined>(
      [4, undefined],
      [1, 7_700],
      [1, Number.POSITIVE_INFINITY],
    ),
  })
  .map((drawn) => {
    const isPublic = drawn.isPublic && drawn.kind === "method";
    return {
      ...drawn,
      isPublic,
      scope: isPublic ? { of: "all", names: [] } : drawn.scope,
      authorize: isPublic ? [] : drawn.authorize,
      timeout: drawn.kind === "method" ? drawn.timeout : undefined,
      stepUp: drawn.kind === "method" && !isPublic ? drawn.stepUp : undefined,
    } as DeclaredRule;
  });

const session = (is: "log in" | "refresh"): fc.Arbitrary<Step> =>
  fc.record({
    is: fc.constant(is),
    subject: fc.constantFrom("ada", "bob"),
    scopes: fc.oneof(fc.constant([...scopes]), someScopes),
    expiresIn: fc.constantFrom(10, 25, 60, 600),
    acrValues: fc.subarray(["mfa", "password"]),
    age: fc.constantFrom(undefined, 0, 5, 20),
  });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      is: fc.constant("call" as const),
      rule: fc.nat(rulesPerRun - 1),
      isNotification: weighted([9, false], [1, true]),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({ is: fc.constant("answer" as const), index: fc.nat(5) }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("cancel" as const), index: fc.nat(5) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      is: fc.constant("seconds" as const),
      count: fc.constantFrom(1, 8, 21, 21),
    }),
  },
  { weight: 2, arbitrary: session("log in") },
  { weight: 4, arbitrary: session("refresh") },
  { weight: 2, arbitrary: fc.constant({ is: "logout" } as const) },
  { weight: 3, arbitrary: fc.constant({ is: "reauthorize" } as const) },
  { weight: 1, arbitrary: fc.constant({ is: "revoke" } as const) },
);

const history = fc.record({
  rules: fc.array(rule, { minLength: rulesPerRun, maxLength: rulesPerRun }),
  first: session("log in"),
  steps: fc.array(step, { maxLength: 40, size: "max" }),
});

/** What must have been met, so that the comparison means something. */
const outcomes = [
  ...["method", "generator", "topic"].flatMap((kind) =>
    [
      ...["answered", "-32001", "-32002", "-32003 missing", "-32003 authorize"],
      ...["-32602", "-32603", "-32008", "-32011"],
    ].map((outcome) => `${kind}: ${outcome}`),
  ),
  ...["generator", "topic"].flatMap((kind) =>
    ["forbidden", "logout"].map((reason) => `${kind}: ended, ${reason}`),
  ),
  "generator: ended, error",
  "method: -32012",
];

describe("The order of checks, compared with a second telling of the rules", () => {
  it(`is expiry, scopes, step-up, params, authorize, handler, each only after the one before, in ${runs} random histories`, async () => {
    const called = new Set<DeclaredRule>();
    const met = new Set<string>();
    await fc.assert(
      fc.asyncProperty(history, async ({ rules, first, steps }) => {
        const pair = new Pair(rules);
        try {
          await pair.run([first, ...steps]);
        } finally {
          pair.dispose();
        }
        for (const one of pair.called) called.add(one);
        for (const outcome of pair.outcomes) met.add(outcome);
      }),
      { numRuns: runs, seed },
    );
    expect(called.size, "rules that were called").to.be.at.least(500);
    const unmet = outcomes.filter((outcome) => !met.has(outcome));
    expect(unmet, "ways to end that were never met").to.deep.equal([]);
  }).timeout(600_000);
});
