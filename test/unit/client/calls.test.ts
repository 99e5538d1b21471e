import { expect } from "chai";
import { describe, it } from "mocha";
import { DisconnectedError, safe } from "../../../client/index.js";
import { errorOf } from "../../../src/protocol/error-codes.js";
import { outcomeOf, scriptedClient, settled } from "../../helpers/scripted-client.js";

describe("A call", () => {
  it("leaves in the turn in which it is made, with params or without, under an id of its own", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    void client.api.orders?.create?.({ sku: "A1" }).catch(() => {});
    void client.call("time.now").catch(() => {});
    expect(socket.texts.slice(-2)).to.deep.equal([
      '{"jsonrpc":"2.0","id":1,"method":"orders.create","params":{"sku":"A1"}}',
      '{"jsonrpc":"2.0","id":2,"method":"time.now"}',
    ]);
    await client.close();
  });

  it("settles by its id, in whatever order the answers come, with null as a result like any other", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const [first, second] = [client.call("a"), client.call("b")];
    socket.answer(socket.last("b"), null);
    socket.answer(socket.last("a"), 0);
    expect(await Promise.all([first, second])).to.deep.equal([0, null]);
    await client.close();
  });

  it("rejects with the server's error", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const result = safe(client.call("orders.create"));
    socket.refuse(socket.last("orders.create"), { code: 1001, message: "OUT_OF_STOCK", data: { left: 3 } });
    const outcome = await result;
    expect(outcome.ok).to.equal(false);
    if (!outcome.ok) expect(outcome.error).to.include({ type: "OUT_OF_STOCK", code: 1001 });
    await client.close();
  });

  it("rejects when its params are no JSON, and sends nothing", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const sent = socket.texts.length;
    const outcome = outcomeOf(client.call("a", { n: 1n }));
    await settled();
    expect(outcome.error).to.be.instanceOf(TypeError);
    expect(socket.texts).to.have.length(sent);
    await client.close();
  });

  it("is left alone by frames that make no sense, by answers to nobody, and by a second answer", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const call = outcomeOf(client.call("a"));
    for (const nonsense of [
      "{",
      "",
      "null",
      "[]",
      "[[]]",
      "[null,7]",
      '"x"',
      "{}",
      '{"id":1}',
      '{"id":99,"result":1}',
      '{"id":"1","result":1}',
    ]) {
      socket.receive(nonsense);
    }
    socket.onmessage?.({ data: new ArrayBuffer(2) });
    socket.receive({ jsonrpc: "2.0", id: 1, method: "a", params: {} });
    socket.tell("nobody.listens", {});
    await settled();
    expect(call.count).to.equal(0);
    socket.answer(socket.last("a"), "first");
    socket.answer(socket.last("a"), "second");
    await settled();
    expect(call).to.deep.equal({ count: 1, value: "first" });
    await client.close();
  });

  it("says why there was no connection when it times out waiting for one, and nothing of that once there was one", async () => {
    const { client, signIn, sockets, pass } = scriptedClient({ timeout: 1_000, backoff: { min: 10_000, max: 10_000 } });
    const waiting = outcomeOf(client.call("waiting"));
    await settled();
    sockets[0]?.drop(1006, "nobody there");
    await pass(1_000);
    expect(waiting.error).to.include({ type: "timeout" });
    expect((waiting.error as Error).cause).to.be.instanceOf(DisconnectedError);
    expect((waiting.error as Error).cause).to.include({ sent: "no", closeCode: 1006, reason: "nobody there" });
    await pass(20_000);
    await signIn();
    const unanswered = outcomeOf(client.call("unanswered"));
    await pass(1_000);
    expect(unanswered.error).to.include({ type: "timeout" });
    expect(unanswered.error).to.not.have.property("cause");
    await client.close();
  });

  it("that times out on a connection where nothing comes any more finds out whether there still is one", async () => {
    const { client, signIn, states, pass } = scriptedClient({ timeout: 10_000 });
    const socket = await signIn();
    const unanswered = outcomeOf(client.call("a"));
    await pass(6_000);
    socket.tell("news", {});
    await pass(4_000);
    expect(unanswered.error).to.include({ type: "timeout" });
    expect(socket.count("ping")).to.equal(0);
    void outcomeOf(client.call("b"));
    await pass(10_000);
    expect(socket.count("ping")).to.equal(1);
    socket.answer(socket.last("ping"), "pong");
    void outcomeOf(client.call("c"));
    await pass(10_000);
    expect(socket.count("ping")).to.equal(2);
    expect(client.state).to.equal("ready");
    await pass(5_000);
    expect(states.at(-1)).to.include({ to: "waiting", reason: "no_answer" });
    await client.close();
  });

  it("times out by its own limit or the client's, tells the server, and ignores the late answer", async () => {
    const { client, signIn, pass } = scriptedClient({ timeout: 5_000 });
    const socket = await signIn();
    const usual = outcomeOf(client.call("usual"));
    const short = outcomeOf(client.call("short", {}, { timeout: 1_000 }));
    const endless = outcomeOf(client.call("endless", {}, { timeout: 0 }));
    await pass(999);
    expect(short.count).to.equal(0);
    await pass(1);
    expect(short.error).to.include({ type: "timeout" });
    expect(socket.last("$/cancelRequest").params).to.deep.equal({ id: socket.last("short").id });
    socket.answer(socket.last("short"), 1);
    await pass(3_999);
    expect(usual.count).to.equal(0);
    await pass(1);
    expect(usual.error).to.include({ type: "timeout" });
    await pass(400_000);
    expect(endless.count).to.equal(0);
    expect(short.count).to.equal(1);
    await client.close();
  });

  it("costs no timer of its own", async () => {
    const { client, clock, signIn } = scriptedClient();
    await signIn();
    void client.call("a").catch(() => {});
    const timers = clock.pending;
    for (let i = 0; i < 100; i++) void client.call("a").catch(() => {});
    expect(clock.pending).to.equal(timers);
    await client.close();
  });

  it("is aborted by its signal at once: the server is told when it was sent, and never hears of it when it wasn't", async () => {
    const { client, socket: nextSocket, signIn } = scriptedClient();
    const waiting = new AbortController();
    const unsent = outcomeOf(client.call("unsent", {}, { signal: waiting.signal }));
    await nextSocket();
    waiting.abort(new Error("changed my mind"));
    await settled();
    expect(unsent.error).to.include({ type: "aborted" }).and.have.nested.property("cause.message", "changed my mind");
    const socket = await signIn();
    expect(socket.count("unsent")).to.equal(0);
    const running = new AbortController();
    const sent = outcomeOf(client.call("sent", {}, { signal: running.signal }));
    running.abort();
    await settled();
    expect(sent.error).to.include({ type: "aborted" });
    expect(socket.last("$/cancelRequest").params).to.deep.equal({ id: socket.last("sent").id });
    const already = outcomeOf(client.call("already", {}, { signal: AbortSignal.abort() }));
    await settled();
    expect(already.error).to.include({ type: "aborted" });
    expect(socket.count("already")).to.equal(0);
    await client.close();
  });

  it("leaves nothing on a signal when it is settled", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const controller = new AbortController();
    const call = client.call("a", {}, { signal: controller.signal });
    socket.answer(socket.last("a"), 1);
    await call;
    controller.abort();
    expect(socket.count("$/cancelRequest")).to.equal(0);
    await client.close();
  });
});

describe("A call that the session is no good for", () => {
  it("is repeated once after a refresh, unseen by its caller", async () => {
    const { client, asked, signIn, states } = scriptedClient();
    const socket = await signIn();
    const call = outcomeOf(client.call("a", { n: 1 }));
    socket.refuse(socket.last("a"), errorOf("token_expired", { context: "session" }));
    const held = outcomeOf(client.call("b"));
    await settled();
    expect(asked.at(-1)).to.include({ reason: "expired", force: true, previous: "token-1" });
    expect(socket.last("refresh").params).to.deep.equal({ token: "token-2" });
    expect(socket.count("a")).to.equal(1);
    expect(socket.count("b")).to.equal(0);
    socket.answer(socket.last("refresh"), { subject: "ada", expiresIn: 900, refreshIn: 600, changed: true });
    expect(socket.last("a").params).to.deep.equal({ n: 1 });
    socket.answer(socket.last("a"), "done");
    socket.answer(socket.last("b"), "too");
    await settled();
    expect(call).to.deep.equal({ count: 1, value: "done" });
    expect(held.value).to.equal("too");
    expect(socket.count("a")).to.equal(2);
    expect(states.slice(-2).map(({ to }) => to)).to.deep.equal(["refreshing", "ready"]);
    await client.close();
  });

  it("is refused to its caller when the repetition is refused too", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const call = outcomeOf(client.call("a"));
    socket.refuse(socket.last("a"), errorOf("token_expired"));
    await settled();
    socket.answer(socket.last("refresh"), { subject: "ada", expiresIn: 900, refreshIn: 600 });
    socket.refuse(socket.last("a"), errorOf("token_expired"));
    await settled();
    expect(call.error).to.include({ type: "token_expired", code: -32002 });
    expect(socket.count("a")).to.equal(2);
    await client.close();
  });

  it("is repeated after authenticate when the server has lost the session", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const call = outcomeOf(client.call("a"));
    socket.refuse(socket.last("a"), errorOf("unauthenticated"));
    await settled();
    socket.refuse(socket.last("refresh"), errorOf("unauthenticated"));
    await signIn();
    socket.answer(socket.last("a"), 1);
    await settled();
    expect(call.value).to.equal(1);
    await client.close();
  });

  it("isn't repeated when it may have run, or when another attempt would be refused as well", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const failures = [
      errorOf("timeout"),
      errorOf("forbidden"),
      errorOf("overloaded"),
      errorOf("rate_limited"),
      { code: 5, message: "X", data: null },
      // its handler had begun when the session ended: only `executed: false` says that nothing has run
      ...(["token_expired", "unauthenticated", "token_revoked"] as const).map((reason) => errorOf(reason, { executed: undefined })),
      errorOf("token_expired", { executed: "false" }),
    ];
    for (const failure of failures) {
      const call = outcomeOf(client.call("a"));
      socket.refuse(socket.last("a"), failure);
      await settled();
      expect(call.error).to.include({ code: failure.code });
    }
    expect(socket.count("a")).to.equal(failures.length);
    await client.close();
  });

  it("is refused to its caller when the client has no token()", async () => {
    const { client, socket: nextSocket } = scriptedClient({ token: null });
    const socket = await nextSocket();
    socket.open();
    const call = outcomeOf(client.call("a"));
    socket.refuse(socket.last("a"), errorOf("unauthenticated"));
    await settled();
    expect(call.error).to.include({ type: "unauthenticated" });
    await client.close();
  });
});

describe("A call that waits for a connection", () => {
  it("is one of a bounded number", async () => {
    const { client, signIn } = scriptedClient({ queue: 2 });
    const outcomes = ["a", "b", "c"].map((name) => outcomeOf(client.call(name)));
    const socket = await signIn();
    expect(outcomes[2]?.error).to.include({ type: "queue_full" });
    expect(socket.frames.map(({ method }) => method)).to.deep.equal(["authenticate", "a", "b"]);
    await client.close();
  });

  it("outlives the loss of connections that it wasn't sent on", async () => {
    const { client, socket, signIn, pass } = scriptedClient();
    const call = outcomeOf(client.call("a"));
    (await socket()).drop();
    await pass(1_000);
    const second = await signIn();
    second.answer(second.last("a"), 1);
    await settled();
    expect(call.value).to.equal(1);
    await client.close();
  });

  it("waits too when the socket is closing under it", async () => {
    const { client, signIn, pass } = scriptedClient();
    const first = await signIn();
    first.readyState = 2;
    const call = outcomeOf(client.call("a"));
    first.drop();
    await pass(1_000);
    const second = await signIn();
    expect(call.count).to.equal(0);
    expect(second.count("a")).to.equal(1);
    await client.close();
  });

  it("times out there as well", async () => {
    const { client, pass } = scriptedClient({ token: () => new Promise(() => {}) });
    const call = outcomeOf(client.call("a", {}, { timeout: 2_000 }));
    await pass(2_000);
    expect(call.error).to.include({ type: "timeout" });
    await client.close();
  });

  it("is rejected when another user has signed in meanwhile, unless nobody had when it was made", async () => {
    const { client, signIn, pass } = scriptedClient();
    const early = outcomeOf(client.call("early", {}, { idempotent: true }));
    const first = await signIn({ subject: "ada" });
    first.drop();
    const bound = outcomeOf(client.call("bound"));
    await pass(1_000);
    const second = await signIn({ subject: "bob" });
    expect(bound.error).to.include({ type: "subject_changed" });
    expect(early.error).to.include({ type: "subject_changed" });
    expect(second.frames.map(({ method }) => method)).to.deep.equal(["authenticate"]);
    const own = outcomeOf(client.call("own"));
    second.answer(second.last("own"), 1);
    await settled();
    expect(own.value).to.equal(1);
    await client.close();
  });
});

describe("A call whose connection is lost under it", () => {
  it("rejects with sent: maybe, and isn't repeated", async () => {
    const { client, signIn, pass } = scriptedClient();
    const first = await signIn();
    const call = outcomeOf(client.call("a"));
    first.drop(1006);
    await settled();
    expect(call.error).to.include({ type: "disconnected", sent: "maybe", closeCode: 1006 });
    await pass(1_000);
    expect((await signIn()).count("a")).to.equal(0);
    expect(call.count).to.equal(1);
    await client.close();
  });

  it("is repeated when it may run twice, by the client's list or by its own option", async () => {
    const { client, signIn, pass } = scriptedClient({ idempotent: ["listed"] });
    const first = await signIn();
    const outcomes = [client.call("listed"), client.call("own", {}, { idempotent: true })].map(outcomeOf);
    const unlisted = outcomeOf(client.call("listed", {}, { idempotent: false }));
    first.drop();
    await pass(1_000);
    expect(unlisted.error).to.include({ sent: "maybe" });
    const second = await signIn();
    second.answer(second.last("listed"), 1);
    second.answer(second.last("own"), 2);
    await settled();
    expect(outcomes.map(({ value }) => value)).to.deep.equal([1, 2]);
    await client.close();
  });
});

describe("A batch", () => {
  it("is one frame, and gives the results in the order of the calls", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const results = client.batch((api) => [api.a?.(), api.orders?.b?.({ n: 2 })]);
    const text = socket.texts.at(-1) ?? "";
    expect(JSON.parse(text)).to.have.length(2);
    const [a, b] = [socket.last("a"), socket.last("orders.b")];
    socket.receive([
      { jsonrpc: "2.0", id: b.id, result: "b" },
      { jsonrpc: "2.0", id: a.id, result: "a" },
    ]);
    expect(await results).to.deep.equal(["a", "b"]);
    await client.close();
  });

  it("is an array when it has one member, and no frame when it has none", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    expect(await client.batch(() => [])).to.deep.equal([]);
    expect(socket.texts).to.have.length(1);
    const one = client.batch((api) => [api.a?.()]);
    expect(socket.texts.at(-1)).to.match(/^\[\{.*\}\]$/);
    socket.receive([{ jsonrpc: "2.0", id: socket.last("a").id, result: 1 }]);
    expect(await one).to.deep.equal([1]);
    await client.close();
  });

  it("leaves out what was aborted, or taken for a subscription, before it went out", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const controller = new AbortController();
    const outcomes = client.batch((api) => {
      const calls = [outcomeOf(api.a?.({}, { signal: controller.signal }) ?? Promise.resolve()), outcomeOf(api.b?.() ?? Promise.resolve())];
      const watched = api.watch?.()[Symbol.asyncIterator]().next();
      watched?.catch(() => {});
      controller.abort();
      return calls;
    });
    await settled();
    expect((await outcomes)[0]?.error).to.include({ type: "aborted" });
    expect(socket.frames.slice(1).map(({ method }) => method)).to.deep.equal(["watch", "b"]);
    await client.close();
  });

  it("waits for a connection as one frame", async () => {
    const { client, signIn } = scriptedClient();
    const before = outcomeOf(client.call("before"));
    const batch = outcomeOf(client.batch((api) => [api.a?.(), api.b?.()]));
    const socket = await signIn();
    expect(socket.texts.slice(1).map((text) => text[0])).to.deep.equal(["{", "["]);
    await client.close();
    await settled();
    expect([before, batch].map(({ error }) => (error as { sent: string }).sent)).to.deep.equal(["maybe", "maybe"]);
  });

  it("rejects with its first error, and a member in safe has its own outcome", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const plain = outcomeOf(client.batch((api) => [api.a?.(), api.b?.()]));
    const guarded = client.batch((api) => [safe(api.c?.() ?? Promise.resolve()), api.d?.()]);
    socket.refuse(socket.last("a"), { code: 1, message: "FIRST" });
    socket.refuse(socket.last("b"), { code: 2, message: "SECOND" });
    socket.refuse(socket.last("c"), { code: 3, message: "THIRD" });
    socket.answer(socket.last("d"), 4);
    const [failed, value] = await guarded;
    expect(plain.error).to.include({ type: "FIRST" });
    expect(failed).to.have.nested.property("error.type", "THIRD");
    expect(value).to.equal(4);
    await client.close();
  });

  it("has its refused members alone repeated, in one frame", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const batch = outcomeOf(client.batch((api) => [api.a?.(), api.b?.(), api.c?.()]));
    socket.receive([
      { jsonrpc: "2.0", id: socket.last("a").id, result: "a" },
      { jsonrpc: "2.0", id: socket.last("b").id, error: errorOf("token_expired") },
      { jsonrpc: "2.0", id: socket.last("c").id, error: errorOf("token_expired") },
    ]);
    await settled();
    socket.answer(socket.last("refresh"), { subject: "ada", expiresIn: 900, refreshIn: 600 });
    const repeated = JSON.parse(socket.texts.at(-1) ?? "");
    expect(repeated.map(({ method }: { method: string }) => method)).to.deep.equal(["b", "c"]);
    socket.receive(repeated.map(({ id, method }: { id: number; method: string }) => ({ jsonrpc: "2.0", id, result: method })));
    await settled();
    expect(batch.value).to.deep.equal(["a", "b", "c"]);
    await client.close();
  });

  it("is rejected when the server refuses it whole, and a single call isn't", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const single = outcomeOf(client.call("single"));
    const short = outcomeOf(client.batch((api) => [api.a?.()]));
    const long = outcomeOf(client.batch((api) => [api.b?.(), api.c?.()]));
    socket.receive({ jsonrpc: "2.0", id: null, error: { code: -32600, message: "Invalid Request" } });
    await settled();
    expect(long.error).to.include({ type: "invalid_request" });
    expect([single.count, short.count]).to.deep.equal([0, 0]);
    await client.close();
  });
});

describe("notify", () => {
  it("sends a request without an id, and says when there is no connection to send it on", async () => {
    const { client, signIn } = scriptedClient();
    expect(client.notify("early")).to.equal(false);
    const socket = await signIn();
    expect(client.notify("log", { line: 1 })).to.equal(true);
    expect(socket.texts.at(-1)).to.equal('{"jsonrpc":"2.0","method":"log","params":{"line":1}}');
    expect(socket.count("early")).to.equal(0);
    await client.close();
  });
});

describe("close", () => {
  it("rejects every call once, clears every timer, and says goodbye", async () => {
    const { client, clock, signIn, states } = scriptedClient();
    const socket = await signIn();
    const calls = [outcomeOf(client.call("a")), outcomeOf(client.call("b", {}, { idempotent: true }))];
    await client.close();
    await client.close();
    expect(calls.map(({ error }) => (error as { sent: string }).sent)).to.deep.equal(["maybe", "maybe"]);
    expect(socket.closedWith).to.equal(1000);
    expect(states.at(-1)).to.include({ to: "closed", code: 1000, reason: "bye" });
    expect(clock.pending).to.equal(0);
    socket.answer(socket.last("a"), 1);
    await settled();
    expect(calls[0]?.count).to.equal(1);
  });

  it("comes by itself at the end of a block", async () => {
    const scripted = scriptedClient();
    {
      await using client = scripted.client;
      await scripted.signIn();
      expect(client.state).to.equal("ready");
    }
    expect(scripted.client.state).to.equal("closed");
    expect(scripted.clock.pending).to.equal(0);
  });

  it("doesn't wait for more than 2 s for the other side", async () => {
    const { client, signIn, pass } = scriptedClient();
    const socket = await signIn();
    socket.close = () => {};
    const closed = outcomeOf(client.close());
    await pass(1_999);
    expect(closed.count).to.equal(0);
    await pass(1);
    expect(closed.count).to.equal(1);
  });

  it("before anything began leaves nothing to do", async () => {
    const { client, asked } = scriptedClient();
    await client.close();
    await settled();
    expect(asked).to.have.length(0);
    expect(client.state).to.equal("closed");
  });
});
