import { expect } from "chai";
import fc from "fast-check";
import { ManualClock } from "../helpers/manual-clock.js";
import {
  type ModelMethod,
  type ModelToken,
  SessionReference,
} from "../helpers/models/session-reference.js";
import { ConnectionHarness } from "../helpers/server/connection-harness.js";
import type { Message } from "../helpers/server/raw-client.js";

const limits = { authDeadline: 30_000, grace: 30_000, requestTimeout: 20_000 };
const runs = Number(process.env.SESSION_MODEL_RUNS ?? 1_000);
const seed = Number(process.env.SESSION_MODEL_SEED ?? 1);

/** What a token will be, relative to the moment at which it is issued. */
interface TokenPlan {
  readonly kind: ModelToken["kind"];
  readonly subject: string;
  /** Seconds from now. */
  readonly expiresIn: number;
  /** Seconds before now. */
  readonly age: number;
  readonly mayWrite: boolean;
  /** Take one that was issued before instead: the how manieth last. */
  readonly again: number | undefined;
}

type Look = "check" | "push" | "read" | "whoami";

/** Both sides of the comparison, and what is numbered through a run. */
class Pair {
  readonly clock = new ManualClock();
  readonly model = new SessionReference(this.clock, limits);
  readonly real = new ConnectionHarness(this.clock, limits);
  readonly #tokens: ModelToken[] = [];
  #number = 0;

  nextNumber(): number {
    return ++this.#number;
  }

  token(plan: TokenPlan): ModelToken {
    const old = plan.again === undefined ? undefined : this.#tokens.at(-1 - plan.again);
    if (old !== undefined) return old;
    const now = Math.floor(this.clock.now() / 1000);
    const { kind, subject, mayWrite, age, expiresIn } = plan;
    const token = {
      kind,
      subject,
      mayWrite,
      name: `t${this.#tokens.length}`,
      issuedAt: now - age,
      expiresAt: now + expiresIn,
    };
    this.#tokens.push(token);
    this.real.issue(token);
    return token;
  }

  authCall(method: "authenticate" | "refresh", token: ModelToken): void {
    const id = this.nextNumber();
    this.model.receive({ kind: method, id, token });
    this.real.send({ id, method, params: { token: token.name } });
  }

  call(method: ModelMethod): void {
    const id = this.nextNumber();
    this.model.receive({ kind: "call", id, method });
    this.real.send({
      id,
      method,
      ...(method === "ping" || method === "whoami" ? {} : { params: { number: id } }),
    });
  }

  push(): void {
    const number = this.nextNumber();
    this.model.push(number);
    this.real.push(number);
  }

  look(how: Look): void {
    if (how === "push") return this.push();
    if (how === "read" || how === "whoami") return this.call(how);
    this.model.look();
    this.real.connection.check();
  }

  finishVerification(): void {
    this.model.finishVerification();
    this.real.finishVerification();
  }

  finishCall(number: number): void {
    this.model.finishCall(number);
    this.real.finishCall(number);
  }

  /** Compares what has come of it since the last time. */
  async compare(): Promise<void> {
    const { model, real } = this;
    await real.settle();
    expect(real.maxVerifying, "auth calls verified at a time").to.be.at.most(1);
    model.seen(real.isClosed);
    expect(real.runs.splice(0), "handlers that ran").to.deep.equal(model.runs.splice(0));
    const received = real.received();
    const pushes = received
      .filter(({ method }) => method === "numbered")
      .map(({ params }) => (params as unknown as Numbered).number);
    expect(pushes, "pushes").to.deep.equal(model.pushes.splice(0));
    for (const message of received)
      if (message.method === undefined) this.#compareResponse(message);
    const unanswered = [...model.expected].filter(([, { isOptional = false }]) => !isOptional);
    expect(unanswered, "requests without an answer").to.deep.equal([]);
    model.expected.clear();
  }

  /** Once: the second answer to the same id is not expected any more. */
  #compareResponse({ id, result, error }: Message): void {
    const expected = this.model.expected.get(id as number);
    this.model.expected.delete(id as number);
    const told = JSON.stringify({ id, result, error });
    if (expected === undefined) expect.fail(`nobody waits for ${told}`);
    if (expected.codes === undefined) return;
    if (expected.codes.length > 0) expect(expected.codes, told).to.include(error?.code);
    else expect(error, told).to.equal(undefined);
    if (expected.result !== undefined) expect(result, told).to.deep.include(expected.result);
  }
}

interface Numbered {
  readonly number: number;
}

/** One thing that happens, to the model and to the real connection. */
class Step implements fc.AsyncCommand<SessionReference, Pair> {
  readonly #name: string;
  readonly #act: (pair: Pair) => void | Promise<void>;
  readonly #isPossible: (model: Readonly<SessionReference>) => boolean;

  constructor(
    name: string,
    act: (pair: Pair) => void | Promise<void>,
    isPossible: (model: Readonly<SessionReference>) => boolean = always,
  ) {
    this.#name = name;
    this.#act = act;
    this.#isPossible = isPossible;
  }

  check(model: Readonly<SessionReference>): boolean {
    return model.state !== "closed" && this.#isPossible(model);
  }

  async run(model: SessionReference, pair: Pair): Promise<void> {
    if (model.isClosedOrNot === "either") {
      pair.look("check");
      await pair.compare();
      if (model.isClosed) return;
    }
    await this.#act(pair);
    await pair.compare();
  }

  toString(): string {
    return this.#name;
  }
}

function always(): boolean {
  return true;
}

const tokenPlan: fc.Arbitrary<TokenPlan> = fc.record({
  kind: fc.oneof(
    { weight: 14, arbitrary: fc.constant("genuine" as const) },
    { weight: 2, arbitrary: fc.constant("forged" as const) },
    { weight: 1, arbitrary: fc.constant("unjudged" as const) },
  ),
  subject: fc.oneof(
    { weight: 8, arbitrary: fc.constant("ada") },
    { weight: 1, arbitrary: fc.constant("bob") },
  ),
  expiresIn: fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 1, max: 60 }) },
    { weight: 1, arbitrary: fc.constantFrom(-1, 0, 900, 3_000_000) },
  ),
  age: fc.integer({ min: 0, max: 3 }),
  mayWrite: fc.boolean(),
  again: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined, freq: 6 }),
});

const authCall = fc
  .record({
    method: fc.constantFrom("authenticate" as const, "refresh" as const),
    plan: tokenPlan,
    isAtOnce: fc.boolean(),
  })
  .map(({ method, plan, isAtOnce }) => {
    const name = `${method}(${JSON.stringify(plan)})${isAtOnce ? "" : " verified later"}`;
    return new Step(name, async (pair) => {
      pair.authCall(method, pair.token(plan));
      await pair.compare();
      if (isAtOnce) pair.finishVerification();
    });
  });

/**
 * A verification ends; and a push comes so many microtasks after that, to meet the pushes that a
 * refresh sets free.
 */
const verificationEnds = fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined, freq: 2 }).map(
  (pushAfter) =>
    new Step(
      `verification ends${pushAfter === undefined ? "" : `, and a push ${pushAfter} microtasks later`}`,
      async (pair) => {
        const { model, real } = pair;
        const mayPush =
          pushAfter !== undefined &&
          (model.state === "expired" || model.state === "live") &&
          !model.isOverflown &&
          !model.hasWaiting;
        pair.finishVerification();
        if (!mayPush || model.state === "open" || model.state === "closed") return;
        for (let count = 0; count < pushAfter; count++) await undefined;
        pair.push();
        await pair.compare();
        if (!real.isClosed) expect(real.connection.whoami()).to.deep.include(model.whoami());
      },
      (model) => model.isVerifying,
    ),
);

const call = fc
  .constantFrom<ModelMethod>("now", "read", "write", "slow", "slow", "announce", "ping", "whoami")
  .map((method) => new Step(`call ${method}`, (pair) => pair.call(method)));

const callEnds = fc.nat({ max: 5 }).map(
  (index) =>
    new Step(
      `slow call ${index} ends`,
      (pair) => pair.finishCall([...pair.model.slow][index % pair.model.slow.size] ?? 0),
      (model) => model.slow.size > 0,
    ),
);

const cancel = fc.nat({ max: 5 }).map(
  (index) =>
    new Step(
      `cancel slow call ${index}`,
      ({ model, real }) => {
        const target = [...model.slow][index % model.slow.size] ?? 0;
        model.receive({ kind: "cancel", target });
        real.send({ method: "$/cancelRequest", params: { id: target } });
      },
      (model) => model.slow.size > 0,
    ),
);

const logout = fc.constant(
  new Step("logout", (pair) => {
    const id = pair.nextNumber();
    pair.model.receive({ kind: "logout", id });
    pair.real.send({ id, method: "logout" });
  }),
);

const push = fc.constant(new Step("push", (pair) => pair.push()));

const manyPushes = fc.constant(
  new Step(
    "300 pushes",
    (pair) => {
      for (let count = 0; count < 300; count++) pair.push();
    },
    (model) => model.state === "expired",
  ),
);

const timePasses = fc
  .oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 15_000 }) },
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 30 }).map((seconds) => seconds * 1000) },
    { weight: 1, arbitrary: fc.constantFrom(100_000, 2_600_000_000) },
  )
  .map(
    (milliseconds) =>
      new Step(`${milliseconds} ms pass`, ({ clock, model, real }) => {
        clock.advance(milliseconds);
        // as the heartbeat does: no timer hears of a wall clock that is set
        if (model.isWallStepped) real.connection.check();
        model.passed();
      }),
  );

const tokenRunsOut = fc.constantFrom(-1, 0, 1).map(
  (offset) =>
    new Step(
      `time passes until ${offset} ms after the token's expiry, then a read`,
      async (pair) => {
        const left = (pair.model.token?.expiresAt ?? 0) * 1000 - pair.clock.now();
        pair.clock.advance(Math.max(left + offset, 0));
        if (pair.model.isWallStepped) pair.real.connection.check();
        pair.model.passed();
        await pair.compare();
        if (!pair.model.isClosed) pair.call("read");
      },
      (model) => model.state === "live",
    ),
);

/** A refresh that should succeed. */
const renewal = fc.integer({ min: 1, max: 60 }).map(
  (expiresIn) =>
    new Step(
      `refresh for ${expiresIn} s more, verified later`,
      (pair) => {
        const subject = pair.model.token?.subject ?? "ada";
        const token = pair.token({
          kind: "genuine",
          subject,
          expiresIn,
          age: 0,
          mayWrite: true,
          again: undefined,
        });
        pair.authCall("refresh", token);
      },
      (model) => model.state === "live" || model.state === "expired",
    ),
);

/** As many failures as bring a limit near, or over it. */
const manyFailures = fc.constantFrom(4, 10).map(
  (count) =>
    new Step(`${count} forged tokens`, async (pair) => {
      for (
        let failure = 0;
        failure < count && !pair.model.isClosed && !pair.model.isVerifying;
        failure++
      ) {
        const method = pair.model.state === "open" ? "authenticate" : "refresh";
        const token = pair.token({
          kind: "forged",
          subject: "ada",
          expiresIn: 60,
          age: 0,
          mayWrite: true,
          again: undefined,
        });
        pair.authCall(method, token);
        await pair.compare();
        pair.finishVerification();
        await pair.compare();
      }
    }),
);

const wallClockStep = fc
  .record({
    by: fc.integer({ min: -60_000, max: 60_000 }),
    look: fc.constantFrom<Look>("check", "push", "read", "whoami"),
  })
  .map(
    ({ by, look }) =>
      new Step(`the wall clock is set by ${by} ms, then a ${look}`, (pair) => {
        pair.clock.stepWall(by);
        pair.model.wallStepped();
        pair.look(look);
      }),
  );

const revoke = fc
  .record({
    what: fc.constantFrom("token", "subject", "other", "older"),
    margin: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 20_000 })),
    age: fc.integer({ min: 0, max: 4 }),
  })
  .map(
    ({ what, margin, age }) =>
      new Step(
        `revoke ${what}, margin ${margin}, issued ${age} s ago or before`,
        ({ clock, model, real }) => {
          const issuedBefore = Math.floor(clock.now() / 1000) - age;
          const subject = what === "other" ? "bob" : "ada";
          const selector =
            what === "token"
              ? { jti: model.token?.name ?? "t0" }
              : { subject, ...(what === "older" ? { issuedBefore } : {}) };
          const { jti, ...rest } = { jti: undefined, ...selector };
          model.revoke({ ...rest, ...(jti === undefined ? {} : { tokenId: jti }), margin });
          void real.revocations.revoke(
            what === "older" ? { subject, issuedBefore: issuedBefore * 1_000 } : selector,
            { margin },
          );
        },
      ),
  );

const peerCloses = fc.constant(
  new Step("the peer closes", ({ model, real }) => {
    model.close();
    real.peerCloses();
  }),
);

const steps = fc.commands(
  [
    authCall,
    authCall,
    authCall,
    verificationEnds,
    verificationEnds,
    call,
    call,
    callEnds,
    cancel,
    push,
    push,
    timePasses,
    timePasses,
  ]
    .concat([
      tokenRunsOut,
      renewal,
      wallClockStep,
      logout,
      manyPushes,
      manyFailures,
      revoke,
      peerCloses,
    ])
    .map((arbitrary) => arbitrary as fc.Arbitrary<Step>),
  { maxCommands: 60, size: "max" },
);

describe("A session, compared with its rules told a second time", () => {
  it(`runs no handler and delivers no push that the rules forbid, and answers each request once, in ${runs} random histories`, async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (commands) => {
        const pair = new Pair();
        try {
          await fc.asyncModelRun(() => ({ model: pair.model, real: pair }), commands);
          while (pair.real.verifying > 0) {
            pair.finishVerification();
            await pair.compare();
          }
          for (const number of pair.model.slow) pair.finishCall(number);
          await pair.compare();
        } finally {
          pair.real.dispose();
        }
        expect(pair.clock.pending, "timers that nobody stopped").to.equal(0);
      }),
      { numRuns: runs, seed },
    );
  }).timeout(120_000);
});
