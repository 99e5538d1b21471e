/**
 * Every callback that the server takes from an application, each given what it must not do. The
 * tables' types are made of the options' own, so no callback is left out. Those of issuers and
 * stores are in odd-stores.test.ts.
 */
import { expect } from "chai";
import {
  createRpc,
  type HookOptions,
  jsonLogger,
  type Logger,
  type Method,
  type StandardSchema,
  type TopicOptions,
} from "../../src/index.js";
import type { MethodDefinition } from "../../src/rpc/define/declared-method.js";
import type { SubscriptionDefinition } from "../../src/rpc/define/declared-subscription.js";
import { type CallbacksOf, describeRows, type Row, type RowsFor } from "../helpers/odd-rows.js";
import {
  type Callback,
  type Oddity,
  type Outcome,
  observe,
  oddFailure,
} from "../helpers/oddities.js";
import { expectError } from "../helpers/server/expected.js";
import { ask, type Frame, leftovers, request, resultOf } from "../helpers/server/frames.js";
import type { RawClient } from "../helpers/server/raw-client.js";
import { type LogLine, recordingLogger } from "../helpers/server/test-server.js";
import { startTimed, type TimedServer } from "../helpers/server/timed-server.js";

const anything = schemaOf(validate);

function schemaOf(validate: Callback): StandardSchema<never, never> {
  return { "~standard": { version: 1, vendor: "test", validate: validate as never } };
}

/** Its schema, whose `validate` is odd. */
function oddSchema(oddity: Oddity): StandardSchema<never, never> {
  return schemaOf(oddity.of(validate));
}

function validate(value: unknown): object {
  return { value };
}

const rpc = createRpc({ notifications: { news: anything } });
const fine = rpc.method({ handler: () => "fine" });

/** Events of the application's fault, in order. */
function faults({ log }: { readonly log: readonly LogLine[] }): readonly unknown[] {
  return log.filter(({ level }) => level === "error").map(({ fields }) => fields.event);
}

/**
 * The server still serves others, and what was asked holds no slot: `inFlight` handlers are still
 * running.
 */
async function expectUnharmed(server: TimedServer, inFlight = 0): Promise<void> {
  const client = await server.login({ sub: "somebody else" });
  expect((await ask(client, "fine")).result).to.equal("fine");
  const { sessions } = await server.server.sessions();
  expect(
    sessions.reduce((sum, session) => sum + session.inFlight, 0),
    "in flight",
  ).to.equal(inFlight);
  await client.close();
  const told = JSON.stringify(server.log.filter(({ level }) => level === "debug"));
  expect(told).to.not.include(oddFailure.message);
}

/**
 * What a call comes to whose callback comes to that. Advances the clock to the deadline where it
 * must.
 */
async function expectAnswer(
  server: TimedServer,
  client: RawClient,
  { called, outcome }: Observed,
): Promise<void> {
  const answer = ask(client, "odd", {});
  await called;
  if (outcome === "never") {
    server.clock.advance(30_000);
    return expectError(await answer, "timeout");
  }
  const { result, error } = await answer;
  if (outcome === "right") return void expect(result).to.equal("right");
  expect(error).to.include({ code: -32603, message: "Internal error" });
  expect(error?.data).to.have.keys("errorId");
}

/**
 * What a call comes to whose rule comes to that: only a yes lets it through, and a no for want of
 * an answer is told once.
 */
async function expectDecision(
  server: TimedServer,
  client: RawClient,
  { called, outcome }: Observed,
): Promise<void> {
  const answer = ask(client, "odd", {});
  await called;
  if (outcome === "never") server.clock.advance(30_000);
  const { result, error } = await answer;
  if (outcome === "right") expect(result).to.not.equal(undefined);
  else
    expect(error)
      .to.deep.include({ code: -32003 })
      .and.nested.include({ "data.rule": "authorize" });
  expect(faults(server)).to.deep.equal(outcome === "right" ? [] : ["authorize.fail"]);
}

type Observed = { readonly called: Promise<void>; readonly outcome: Outcome };

/** How many handlers go on running when their callback comes to that. */
const running = (outcome: Outcome) => (outcome === "never" ? 1 : 0);

describeRows("The server's hooks", {
  connected: (oddity) => hookRow("connected", oddity),
  authenticated: (oddity) => hookRow("authenticated", oddity),
  refreshed: (oddity) => hookRow("refreshed", oddity),
  subscribed: (oddity) => hookRow("subscribed", oddity),
  unsubscribed: (oddity) => hookRow("unsubscribed", oddity),
  closed: (oddity) => hookRow("closed", oddity),
} satisfies RowsFor<HookOptions>);

async function hookRow(hook: keyof HookOptions, oddity: Oddity): Promise<void> {
  let called = 0;
  const odd = oddity.of(() => undefined) as () => void;
  const hooks = { [hook]: () => (++called === 1 ? odd() : undefined) };
  const news = rpc.topic({ key: () => "news" });
  await using server = await startTimed(rpc.router({ fine, news }), { hooks });
  const client = await server.login();
  await resultOf(client, "news");
  server.clock.advance(1_000);
  await resultOf(client, "refresh", { token: server.token() });
  expect((await ask(client, "fine")).result).to.equal("fine");
  await client.close();
  while (server.server.connections > 0) await new Promise((resolve) => setImmediate(resolve));
  await expectUnharmed(server);
  const told = server.log
    .filter(({ level }) => level === "error")
    .map(({ fields: { event, hook: name } }) => [event, name]);
  expect(told).to.deep.equal(oddity.outcome === "failure" ? [["hook.fail", hook]] : []);
}

describeRows("The logger", {
  debug: (oddity) => loggerRow("debug", oddity),
  info: (oddity) => loggerRow("info", oddity),
  warn: (oddity) => loggerRow("warn", oddity),
  error: (oddity) => loggerRow("error", oddity),
  async child(oddity) {
    const { logger, lines } = recordingLogger();
    const app = rpc.router({
      fine,
      fail: rpc.method({ handler: () => Promise.reject(new Error("broken")) }),
    });
    await using server = await startTimed(app, {
      logger: { ...logger, child: oddity.of(() => logger) as never },
    });
    expect((await ask(await server.login(), "fail")).error?.code).to.equal(-32603);
    const failed = lines.find(({ fields }) => fields.event === "call.fail");
    expect(failed?.fields, "nothing of it is lost").to.include.keys("connection", "errorId");
    await expectUnharmed(server);
  },
} satisfies RowsFor<Logger>);

async function loggerRow(level: Exclude<keyof Logger, "child">, oddity: Oddity): Promise<void> {
  const fail = rpc.method({ handler: () => Promise.reject(new Error("broken")) });
  const odd = oddity.of(() => undefined) as never;
  const { logger } = recordingLogger();
  for (const given of [
    { ...logger, [level]: odd },
    { ...logger, child: () => ({ ...logger, [level]: odd }) },
  ]) {
    await using server = await startTimed(rpc.router({ fine, fail }), { logger: given });
    const client = await server.login();
    expect((await ask(client, "fail")).error?.code).to.equal(-32603);
    expectError(await ask(client, "authenticate", { token: "no token" }), "token_invalid");
    await client.close();
    await expectUnharmed(server);
  }
}

describeRows("jsonLogger's write", {
  async write(oddity) {
    const logger = jsonLogger("debug", oddity.of(() => undefined) as never);
    logger.error({ event: "test" }, "a line");
    await using server = await startTimed(rpc.router({ fine }), { logger });
    await expectUnharmed({ ...server, log: [] });
  },
});

describeRows("A method's callbacks", {
  async handler(oddity) {
    const { callback, ...observed } = observe(oddity, () => "right");
    const odd = rpc.method({ handler: callback as never });
    await using server = await startTimed(rpc.router({ fine, odd }));
    const client = await server.login();
    await expectAnswer(server, client, observed);
    expect(faults(server)).to.deep.equal(oddity.outcome === "failure" ? ["call.fail"] : []);
    await expectUnharmed(server, running(oddity.outcome));
  },
  async authorize(oddity) {
    const { callback, ...observed } = observe(oddity, () => true);
    const odd = rpc.method({ authorize: callback as never, handler: () => "right" });
    await using server = await startTimed(rpc.router({ fine, odd }));
    await expectDecision(server, await server.login(), observed);
    await expectUnharmed(server, running(oddity.outcome));
  },
} satisfies RowsFor<MethodDefinition>);

describeRows("What runs before a handler", {
  async context(oddity) {
    const { callback, ...observed } = observe(oddity, () => ({}));
    const odd = createRpc({ context: callback as never }).method({ handler: () => "right" });
    await expectAnswerOf(odd, observed);
  },
  async use(oddity) {
    const { callback, ...observed } = observe(oddity, (({ next }: { next: () => unknown }) =>
      next()) as Callback);
    const odd = rpc.use(callback as never).method({ handler: () => "right" });
    await expectAnswerOf(odd, observed);
  },
} satisfies Readonly<Record<"context" | "use", Row>>);

/** Of a method whose handler is fine, behind what is odd. */
async function expectAnswerOf(
  odd: Method<undefined, unknown, unknown>,
  observed: Observed,
): Promise<void> {
  await using server = await startTimed(rpc.router({ fine, odd }));
  await expectAnswer(server, await server.login(), observed);
  expect(faults(server)).to.deep.equal(observed.outcome === "failure" ? ["call.fail"] : []);
  await expectUnharmed(server, running(observed.outcome));
}

describeRows("The schemas of a method", {
  async params(oddity) {
    const { callback, ...observed } = observe(oddity, validate);
    const odd = rpc.method({ params: schemaOf(callback), handler: () => "right" });
    await using server = await startTimed(rpc.router({ fine, odd }));
    const client = await server.login();
    await expectAnswer(server, client, observed);
    await expectUnharmed(server, running(oddity.outcome));
  },
  async result(oddity) {
    const { callback, ...observed } = observe(oddity, validate);
    const odd = rpc.method({ result: schemaOf(callback), handler: (() => "right") as never });
    await using server = await startTimed(rpc.router({ fine, odd }));
    const client = await server.login();
    await expectAnswer(server, client, observed);
    await expectUnharmed(server, running(oddity.outcome));
  },
} satisfies Readonly<Record<"params" | "result", Row>>);

describe("A promise that nobody waits for", () => {
  it("does not end the process when a schema returns it as its JSON Schema", async () => {
    const jsonSchema = {
      input: () => Promise.reject(oddFailure),
      output: () => Promise.reject(oddFailure),
    };
    const odd = { "~standard": { ...anything["~standard"], jsonSchema } };
    await using server = await startTimed(
      rpc.router({ fine, odd: rpc.method({ params: odd, handler: () => "right" }) }),
    );
    const { methods } = await resultOf(await server.login(), "rpc.discover");
    expect(methods).to.deep.include.members([
      {
        ...(methods as object[])[1],
        name: "odd",
        params: [{ name: "params", required: true, schema: {} }],
      },
    ]);
  });
});

/** A subscription that has ended, and why: its `reason` and `code`. */
async function endOf(client: RawClient): Promise<readonly unknown[]> {
  const { params } = await client.notification("subscription.ended");
  const { reason, code } = params as unknown as Record<string, unknown>;
  return [reason, code];
}

type SubscriptionCallbacks = CallbacksOf<SubscriptionDefinition>;

describeRows("A subscription's callbacks", {
  async handler(oddity) {
    async function* numbers() {
      yield 1;
    }
    const odd = rpc.subscription({ handler: oddity.of(numbers) as never });
    await using server = await startTimed(rpc.router({ fine, odd }));
    const client = await server.login();
    expect(await resultOf(client, "odd")).to.have.property("subscription");
    expect(await endOf(client)).to.deep.equal(["error", -32603]);
    expect(faults(server)).to.deep.equal(["subscription.fail"]);
    await expectUnharmed(server);
  },
  async authorize(oddity) {
    const { callback, ...observed } = observe(oddity, () => true);
    const odd = rpc.subscription({ authorize: callback as never, async *handler() {} });
    await using server = await startTimed(rpc.router({ fine, odd }));
    await expectDecision(server, await server.login(), observed);
    await expectUnharmed(server, running(oddity.outcome));
  },
} satisfies Readonly<Record<SubscriptionCallbacks, Row>>);

/**
 * What comes of the events of a subscription whose making comes to that: one event and the end, an
 * error, or nothing.
 */
async function expectEvents(server: TimedServer, outcome: Outcome): Promise<void> {
  const client = await server.login();
  const { subscription } = await resultOf(client, "odd", {});
  if (outcome === "never") expect(await leftovers(client)).to.deep.equal([]);
  else if (outcome === "failure") expect(await endOf(client)).to.deep.equal(["error", -32603]);
  else {
    expect((await client.next<Frame>()).params).to.include({ subscription, data: 1 });
    expect(await endOf(client)).to.deep.equal(["completed", undefined]);
  }
  expect(await resultOf(client, "unsubscribe", { subscription })).to.deep.equal({
    ok: outcome === "never",
  });
  expect((await server.server.sessions()).sessions[0]).to.include({ subscriptions: 0 });
  await client.close();
  await expectUnharmed(server);
}

const iteratorRow =
  (parts: (odd: Oddity["of"]) => object): Row =>
  async (oddity) => {
    const odd = rpc.subscription({ handler: () => parts(oddity.of) as never });
    await using server = await startTimed(rpc.router({ fine, odd }));
    await expectEvents(server, oddity.outcome);
  };

/** 1, and no more. */
function once(): () => IteratorResult<number, undefined> {
  let count = 0;
  return () => (++count === 1 ? { done: false, value: 1 } : { done: true, value: undefined });
}

describeRows("The iterator of a subscription, and its schemas", {
  next: iteratorRow((odd) => ({ [Symbol.asyncIterator]: () => ({ next: odd(once()) }) })),
  async return(oddity) {
    const called: unknown[] = [];
    const leave = oddity.of(() => ({ done: true, value: undefined }));
    const endless = {
      next: () => new Promise(() => {}),
      return: () => [called.push("return"), leave()][1],
    };
    const odd = rpc.subscription({
      handler: () => ({ [Symbol.asyncIterator]: () => endless }) as never,
    });
    await using server = await startTimed(rpc.router({ fine, odd }));
    const client = await server.login();
    const { subscription } = await resultOf(client, "odd");
    expect(await resultOf(client, "unsubscribe", { subscription })).to.deep.equal({ ok: true });
    await resultOf(client, "odd");
    await resultOf(client, "logout");
    expect(called).to.have.length(2);
    await expectUnharmed(server);
  },
  async iterator(oddity) {
    const odd = rpc.subscription({
      handler: () => ({ [Symbol.asyncIterator]: oddity.of(() => ({ next: once() })) }) as never,
    });
    await using server = await startTimed(rpc.router({ fine, odd }));
    const client = await server.login();
    await resultOf(client, "odd");
    expect(await endOf(client)).to.deep.equal(["error", -32603]);
    await expectUnharmed(server);
  },
  async params(oddity) {
    async function* numbers() {
      yield 1;
    }
    const { callback, called } = observe(oddity, validate);
    const odd = rpc.subscription({ params: schemaOf(callback), handler: numbers });
    await using server = await startTimed(rpc.router({ fine, odd }));
    const client = await server.login();
    if (oddity.outcome === "right") return await expectEvents(server, "right");
    const answer = ask(client, "odd", {});
    if (oddity.outcome === "never") {
      await called;
      server.clock.advance(30_000);
      expectError(await answer, "timeout");
    } else expect((await answer).error?.code).to.equal(-32603);
    expect((await server.server.sessions()).sessions[0]).to.include({ subscriptions: 0 });
  },
  async event(oddity) {
    const odd = rpc.subscription({
      event: oddSchema(oddity),
      handler: (() => ({ [Symbol.asyncIterator]: () => ({ next: once() }) })) as never,
    });
    await using server = await startTimed(rpc.router({ fine, odd }));
    await expectEvents(server, oddity.outcome);
  },
} satisfies Readonly<Record<"next" | "return" | "iterator" | "params" | "event", Row>>);

/** What a publication comes to whose callback comes to that. */
async function expectPublished(
  server: TimedServer,
  published: Promise<void>,
  outcome: Outcome,
): Promise<void> {
  const settled = published.then(
    () => "right",
    () => "failure",
  );
  if (outcome !== "never") return void expect(await settled).to.equal(outcome);
  const client = await server.connect();
  expect(await Promise.race([settled, leftovers(client).then(() => "never")])).to.equal("never");
  await client.close();
}

type TopicCallbacks = CallbacksOf<
  TopicOptions<StandardSchema, StandardSchema, string, never, never>
>;

describeRows("A topic's callbacks, and its schemas", {
  async key(oddity) {
    const odd = rpc.topic({ key: oddity.of(() => "odd") as never });
    const app = rpc.router({ fine, odd });
    await using server = await startTimed(app);
    expect((await ask(await server.login(), "odd")).error?.code).to.equal(-32603);
    await expectPublished(server, server.server.publish(app.routes.odd, undefined, 1), "failure");
    await expectUnharmed(server);
  },
  async authorize(oddity) {
    const { callback, ...observed } = observe(oddity, () => true);
    const odd = rpc.topic({ authorize: callback as never, key: () => "odd" });
    await using server = await startTimed(rpc.router({ fine, odd }));
    await expectDecision(server, await server.login(), observed);
    await expectUnharmed(server, running(oddity.outcome));
  },
  async deliver(oddity) {
    const app = rpc.router({
      fine,
      odd: rpc.topic({ deliver: oddity.of(() => true) as never, key: () => "odd" }),
    });
    await using server = await startTimed(app);
    const client = await server.login();
    await resultOf(client, "odd");
    await server.server.publish(app.routes.odd, undefined, 1);
    expect(await leftovers(client), "a promise and an error are a no").to.deep.equal([]);
    expect(faults(server)).to.deep.equal(["deliver.fail"]);
    await expectUnharmed(server);
  },
  async snapshot(oddity) {
    const { callback, called } = observe(oddity, () => ["state"]);
    const app = rpc.router({
      fine,
      odd: rpc.topic({ snapshot: callback as () => unknown, key: () => "odd" }),
    });
    await using server = await startTimed(app);
    const client = await server.login();
    const answer = ask(client, "odd");
    if (oddity.outcome === "never") {
      await called;
      server.clock.advance(30_000);
      expectError(await answer, "timeout");
    } else if (oddity.outcome === "failure") {
      expect((await answer).error).to.include({ code: -32603 });
      expect(faults(server)).to.deep.equal(["snapshot.fail"]);
    } else expect((await answer).result).to.deep.include({ snapshot: ["state"] });
    expect((await server.server.sessions()).sessions[0]).to.include({
      subscriptions: oddity.outcome === "right" ? 1 : 0,
    });
    await expectUnharmed(server);
  },
  async event(oddity) {
    const app = rpc.router({
      fine,
      odd: rpc.topic({ event: oddSchema(oddity), key: () => "odd" }),
    });
    await using server = await startTimed(app);
    const client = await server.login();
    await resultOf(client, "odd");
    await expectPublished(
      server,
      server.server.publish(app.routes.odd, undefined, 1 as never),
      oddity.outcome,
    );
    expect((await leftovers(client)).map(({ params }) => params?.data)).to.deep.equal(
      oddity.outcome === "right" ? [1] : [],
    );
    await expectUnharmed(server);
  },
  async params(oddity) {
    const app = rpc.router({
      fine,
      odd: rpc.topic({ params: oddSchema(oddity), key: () => "odd" }),
    });
    await using server = await startTimed(app);
    await expectPublished(
      server,
      server.server.publish(app.routes.odd, undefined as never, 1),
      oddity.outcome,
    );
    await expectUnharmed(server);
  },
} satisfies Readonly<Record<TopicCallbacks | "params" | "event", Row>>);

describeRows("The rule of a subscription that lives, asked again at a refresh", {
  async authorize(oddity) {
    let asked = 0;
    const { callback, called } = observe(oddity, () => true);
    const topic = rpc.topic({
      authorize: (() => (++asked === 1 ? true : callback())) as never,
      key: () => "odd",
    });
    const app = rpc.router({ fine, topic });
    await using server = await startTimed(app);
    const client = await server.login();
    await resultOf(client, "topic");
    server.clock.advance(1_000);
    client.send(request(1, "refresh", { token: server.token() }));
    await called;
    if (oddity.outcome === "never") server.clock.advance(30_000);
    await server.server.publish(app.routes.topic, undefined, "event");
    const isRight = oddity.outcome === "right";
    const frames = (await leftovers(client)).filter(({ id }) => id !== 1);
    expect(frames.map(({ method }) => method)).to.deep.equal([
      isRight ? "subscription.event" : "subscription.ended",
    ]);
    if (!isRight) expect(frames[0]?.params).to.include({ reason: "forbidden" });
    expect(faults(server)).to.deep.equal(isRight ? [] : ["authorize.fail"]);
    await expectUnharmed(server);
  },
});

describeRows("The schemas of the whole application", {
  async claims(oddity) {
    const { callback, called } = observe(oddity, validate);
    const strict = createRpc({ claims: schemaOf(callback) });
    await using server = await startTimed(
      strict.router({ fine: strict.method({ public: true, handler: () => "fine" }) }),
    );
    const client = await server.connect();
    const answer = ask(client, "authenticate", { token: server.token() });
    await called;
    if (oddity.outcome === "never") {
      server.clock.advance(20_000);
      expectError(await answer, "auth_unavailable");
    } else if (oddity.outcome === "failure") expectError(await answer, "token_invalid");
    else expect((await answer).result).to.have.property("subject");
    expect(faults(server)).to.deep.equal([]);
    expect(
      (await ask(client, "fine")).result,
      "the connection's frames are held up no longer",
    ).to.equal("fine");
  },
  async notifications(oddity) {
    const strict = createRpc({ notifications: { odd: oddSchema(oddity) } });
    const tell = strict.method({
      handler: ({ connection }) => connection.notify("odd", 1 as never),
    });
    await using server = await startTimed(
      strict.router({ fine: strict.method({ handler: () => "fine" }), tell }),
    );
    const client = await server.login();
    expect((await ask(client, "tell")).error?.code).to.equal(-32603);
    await expectPublished(server, server.server.notify("all", "odd", 1), "failure");
    expect(await leftovers(client)).to.deep.equal([]);
    await expectUnharmed(server);
  },
} satisfies Readonly<Record<"claims" | "notifications", Row>>);
