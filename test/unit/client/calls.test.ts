import { expect } from "chai";
import { describe, it } from "mocha";
import { DisconnectedError, type Subscription, safe } from "../../../client/index.js";
import { errorOf } from "../../../src/protocol/error-codes.js";
import {
  type Frame,
  outcomeOf,
  type ScriptedSocket,
  scriptedClient,
  settled,
} from "../../helpers/client/scripted-client.js";

const limits = {
  frameBytes: 1_000,
  batchLength: 5,
  requestsInFlight: 8,
  subscriptions: 4,
  responseBytes: 1_000_000,
};

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
    socket.refuse(socket.last("orders.create"), {
      code: 1001,
      message: "OUT_OF_STOCK",
      data: { left: 3 },
    });
    const outcome = await result;
    expect(outcome.ok).to.equal(false);
    if (!outcome.ok) expect(outcome.error).to.include({ code: "OUT_OF_STOCK", rpcCode: 1001 });
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
    const { client, signIn, sockets, pass } = scriptedClient({
      timeout: 1_000,
      backoff: { min: 10_000, max: 10_000 },
    });
    const waiting = outcomeOf(client.call("waiting"));
    await settled();
    sockets[0]?.drop(1006, "nobody there");
    await pass(1_000);
    expect(waiting.error).to.include({ code: "timeout" });
    expect((waiting.error as Error).cause).to.be.instanceOf(DisconnectedError);
    expect((waiting.error as Error).cause).to.include({
      sent: "no",
      closeCode: 1006,
      reason: "nobody there",
    });
    await pass(20_000);
    await signIn();
    const unanswered = outcomeOf(client.call("unanswered"));
    await pass(1_000);
    expect(unanswered.error).to.include({ code: "timeout" });
    expect(unanswered.error).to.not.have.property("cause");
    await client.close();
  });

  it("that waits on a connection where nothing comes any more finds out whether there still is one, long before its time is over", async () => {
    const { client, signIn, states, pass } = scriptedClient();
    const socket = await signIn();
    const unanswered = outcomeOf(client.call("a"));
    await pass(4_000);
    socket.tell("news", {});
    await pass(5_000);
    expect(socket.count("ping")).to.equal(0);
    await pass(2_000);
    expect(socket.count("ping")).to.equal(1);
    socket.answer(socket.last("ping"), "pong");
    await pass(8_000);
    expect(socket.count("ping")).to.equal(1);
    expect(unanswered.count).to.equal(0);
    await pass(7_000);
    expect(states.find(({ to }) => to === "waiting")).to.include({ reason: "no_answer" });
    await client.close();
  });

  it("asks nothing of a silent connection when none waits", async () => {
    const { client, signIn, pass } = scriptedClient();
    const socket = await signIn();
    const call = client.call("a");
    socket.answer(socket.last("a"), 1);
    await call;
    await pass(60_000);
    expect(socket.count("ping")).to.equal(0);
    await client.close();
  });

  it("times out by its own limit or the client's, tells the server, and ignores the late answer", async () => {
    const { client, signIn, pass } = scriptedClient({ timeout: 5_000 });
    const socket = await signIn();
    socket.answersPings = true;
    const usual = outcomeOf(client.call("usual"));
    const short = outcomeOf(client.call("short", {}, { timeout: 1_000 }));
    const endless = outcomeOf(client.call("endless", {}, { timeout: Number.POSITIVE_INFINITY }));
    await pass(999);
    expect(short.count).to.equal(0);
    await pass(1);
    expect(short.error).to.include({ code: "timeout" });
    expect(socket.last("$/cancelRequest").params).to.deep.equal({ id: socket.last("short").id });
    socket.answer(socket.last("short"), 1);
    await pass(3_999);
    expect(usual.count).to.equal(0);
    await pass(1);
    expect(usual.error).to.include({ code: "timeout" });
    await pass(100_000);
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
    expect(unsent.error)
      .to.include({ code: "aborted" })
      .and.have.nested.property("cause.message", "changed my mind");
    const socket = await signIn();
    expect(socket.count("unsent")).to.equal(0);
    const running = new AbortController();
    const sent = outcomeOf(client.call("sent", {}, { signal: running.signal }));
    running.abort();
    await settled();
    expect(sent.error).to.include({ code: "aborted" });
    expect(socket.last("$/cancelRequest").params).to.deep.equal({ id: socket.last("sent").id });
    const already = outcomeOf(client.call("already", {}, { signal: AbortSignal.abort() }));
    await settled();
    expect(already.error).to.include({ code: "aborted" });
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
    socket.answer(socket.last("refresh"), {
      subject: "ada",
      expiresIn: 900,
      refreshIn: 600,
      changed: true,
    });
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
    expect(call.error).to.include({ code: "token_expired", rpcCode: -32002 });
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
      errorOf("overloaded", { executed: undefined }),
      errorOf("overloaded", { temporary: false }),
      { code: 5, message: "X", data: null },
      // its handler had begun when the session ended: only `executed: false` says that nothing has
      // run
      ...(["token_expired", "unauthenticated", "token_revoked"] as const).map((reason) =>
        errorOf(reason, { executed: undefined }),
      ),
      errorOf("token_expired", { executed: "false" }),
    ];
    for (const failure of failures) {
      const call = outcomeOf(client.call("a"));
      socket.refuse(socket.last("a"), failure);
      await settled();
      expect(call.error).to.include({ rpcCode: failure.code });
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
    expect(call.error).to.include({ code: "unauthenticated" });
    await client.close();
  });
});

describe("A call that is refused for the time being, before it ran", () => {
  it("is repeated after a back-off that grows, or after the server's advice, unseen by its caller", async () => {
    const { client, signIn, pass } = scriptedClient();
    const socket = await signIn();
    const call = outcomeOf(client.call("a", { n: 1 }));
    for (const [times, error, least, most] of [
      [1, errorOf("overloaded"), 499, 1_000],
      [2, errorOf("overloaded"), 499, 2_000],
      [3, errorOf("rate_limited", { retryAfter: 7 }), 6_999, 1],
    ] as const) {
      expect(socket.count("a")).to.equal(times);
      socket.refuse(socket.last("a"), error);
      await pass(least);
      expect(socket.count("a")).to.equal(times);
      await pass(most);
    }
    expect(socket.count("a")).to.equal(4);
    expect(socket.last("a").params).to.deep.equal({ n: 1 });
    expect(
      new Set(socket.frames.filter(({ method }) => method === "a").map(({ id }) => id)).size,
    ).to.equal(4);
    expect(call.count).to.equal(0);
    socket.answer(socket.last("a"), "done");
    await settled();
    expect(call).to.deep.equal({ count: 1, value: "done" });
    await client.close();
  });

  it("is repeated until its time is over, says then what it was refused for, and that it has not run", async () => {
    const { client, signIn, pass } = scriptedClient({
      timeout: 5_000,
      backoff: { min: 100, max: 100 },
    });
    const socket = await signIn();
    const call = outcomeOf(client.call("a"));
    for (let passed = 0; passed < 4_900; passed += 100) {
      socket.refuse(socket.last("a"), errorOf("overloaded", { hint: "busy" }));
      await pass(100);
    }
    expect(call.count).to.equal(0);
    socket.refuse(socket.last("a"), errorOf("overloaded", { hint: "busy" }));
    await pass(50);
    const sent = socket.count("a");
    await pass(60);
    expect(call.error)
      .to.include({ code: "timeout", sent: "no" })
      .and.to.have.nested.property("cause.data.hint", "busy");
    await pass(5_000);
    expect(socket.count("a")).to.equal(sent);
    await client.close();
  });

  it("holds up what was made meanwhile, so that a server that has too much gets no more", async () => {
    const { client, signIn, pass } = scriptedClient();
    const socket = await signIn();
    const first = outcomeOf(client.call("first"));
    socket.refuse(socket.last("first"), errorOf("rate_limited", { retryAfter: 2 }));
    const second = outcomeOf(client.call("second"));
    await pass(1_999);
    expect(socket.count("second")).to.equal(0);
    await pass(1);
    for (const name of ["first", "second"]) socket.answer(socket.last(name), name);
    await settled();
    expect([first.value, second.value]).to.deep.equal(["first", "second"]);
    await client.close();
  });

  it("is taken by the next connection at once, and by the one after that, when the server is leaving", async () => {
    const { client, signIn, sockets, pass } = scriptedClient({ backoff: { min: 1, max: 1 } });
    const call = outcomeOf(client.call("a"));
    for (let drains = 1; drains <= 3; drains++) {
      const socket = await signIn();
      expect(socket.count("a")).to.equal(1);
      socket.tell("connection.closing", {
        code: 1012,
        reason: "server_restart",
        reconnectAfter: [0, 0],
        closeIn: 1,
      });
      socket.refuse(socket.last("a"), errorOf("overloaded", { retryAfter: 60 }));
      await settled();
      socket.drop(1012);
      await pass(10);
    }
    expect(sockets).to.have.length(4);
    const socket = await signIn();
    socket.answer(socket.last("a"), "done");
    await settled();
    expect(call).to.deep.equal({ count: 1, value: "done" });
    await client.close();
  });

  it("leaves no timer when the client is closed", async () => {
    const { client, signIn, clock } = scriptedClient();
    const socket = await signIn();
    const call = outcomeOf(client.call("a"));
    socket.refuse(socket.last("a"), errorOf("overloaded"));
    await client.close();
    await settled();
    expect(call.error).to.include({ code: "disconnected", sent: "no" });
    expect(clock.pending).to.equal(0);
  });
});

const servedOn = new WeakMap<ScriptedSocket, Set<Frame["id"]>>();

/**
 * Answers all that is there, and what comes for it, as a server with that much room does; what
 * there is no room for is a fault.
 */
const serve = async (socket: ScriptedSocket, room: number) => {
  const served = servedOn.get(socket) ?? new Set();
  servedOn.set(socket, served);
  for (let open = open_(); open.length > 0; open = open_()) {
    expect(open.length).to.be.at.most(room);
    for (const frame of open) {
      served.add(frame.id);
      socket.answer(frame, frame.method);
    }
    await settled();
  }
  return served.size;

  function open_(): Frame[] {
    return socket.frames.filter(
      ({ id, method }) => method !== "authenticate" && id !== undefined && !served.has(id),
    );
  }
};

describe("More calls than the server takes at once", () => {
  const names = (count: number) => Array.from({ length: count }, (_, index) => `call-${index}`);

  for (const [why, told, room] of [
    ["by what it tells", { limits }, 8],
    ["by half of the default, when it tells nothing", {}, 32],
  ] as const) {
    it(`wait for their turn, ${why}: those that were made without a connection, and those that are made at once`, async () => {
      const { client, signIn } = scriptedClient();
      const early = names(150).map((name) => outcomeOf(client.call(name)));
      const socket = await signIn(told);
      expect(socket.texts).to.have.length(1 + room);
      expect(await serve(socket, room)).to.equal(150);
      expect(early.map(({ value }) => value)).to.deep.equal(names(150));
      const late = names(150).map((name) => outcomeOf(client.call(name)));
      expect(await serve(socket, room)).to.equal(300);
      expect(late.map(({ value }) => value)).to.deep.equal(names(150));
      await client.close();
    });
  }

  it("have no limit when the server has none", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn({
      limits: { ...limits, requestsInFlight: 0, frameBytes: 0, batchLength: 0 },
    });
    const calls = names(200).map((name) => outcomeOf(client.call(name)));
    expect(socket.texts).to.have.length(201);
    void outcomeOf(
      client.batch((api) => names(100).map((name) => api[name]?.({ text: "x".repeat(100_000) }))),
    );
    expect(socket.texts).to.have.length(202);
    await client.close();
    expect(calls[199]?.error).to.include({ code: "disconnected" });
  });

  it("share the room with subscriptions, which go first", async () => {
    const { client, signIn } = scriptedClient();
    const subscriptions = names(12).map((topic) =>
      client.subscribe("watch", { topic })[Symbol.asyncIterator](),
    );
    const call = outcomeOf(client.call("a"));
    const socket = await signIn({ limits });
    expect(socket.count("watch")).to.equal(8);
    expect(socket.count("a")).to.equal(0);
    const answer = () => {
      for (const frame of socket.frames.filter(({ method }) => method === "watch")) {
        socket.answer(frame, { subscription: String(frame.params?.topic) });
      }
    };
    answer();
    expect(socket.count("watch")).to.equal(12);
    expect(socket.count("a")).to.equal(1);
    answer();
    expect(socket.count("watch")).to.equal(12);
    socket.tell("subscription.event", { subscription: "call-11", data: 1 });
    expect(await subscriptions[11]?.next()).to.deep.equal({ done: false, value: 1 });
    socket.answer(socket.last("a"), 1);
    await settled();
    expect(call.value).to.equal(1);
    await client.close();
  });

  it("make room when one of them is given up", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn({ limits: { ...limits, requestsInFlight: 1 } });
    const controller = new AbortController();
    void outcomeOf(client.call("a", {}, { signal: controller.signal }));
    const waiting = outcomeOf(client.call("b"));
    expect(socket.count("b")).to.equal(0);
    controller.abort();
    socket.refuse(socket.last("a"), errorOf("cancelled"));
    socket.answer(socket.last("b"), 2);
    await settled();
    expect(waiting.value).to.equal(2);
    await client.close();
  });

  it("are rejected when more wait than the option queue says, the last ones, and none that may have run", async () => {
    const { client, signIn, pass } = scriptedClient({ queue: 3 });
    const first = await signIn({ limits: { ...limits, requestsInFlight: 4 } });
    const sent = names(4).map((name) => outcomeOf(client.call(name, {}, { idempotent: true })));
    const waiting = names(4).map((name) => outcomeOf(client.call(`late.${name}`)));
    await settled();
    expect(waiting.map(({ error }) => error)[3]).to.include({ code: "queue_full", sent: "no" });
    expect(waiting.slice(0, 3).map(({ count }) => count)).to.deep.equal([0, 0, 0]);
    first.drop();
    await settled();
    expect(sent.map(({ count }) => count)).to.deep.equal([0, 0, 0, 0]);
    await pass(1_000);
    await serve(await signIn({ limits: { ...limits, requestsInFlight: 4 } }), 4);
    expect(sent.map(({ value }) => value)).to.deep.equal(names(4));
    expect(waiting[2]?.value).to.equal("late.call-2");
    await client.close();
  });
});

describe("A call that is larger than the server takes", () => {
  const large = { text: "é".repeat(500) }; // two bytes each

  it("alone is rejected, before it is sent", async () => {
    const { client, signIn, sockets } = scriptedClient();
    const early = outcomeOf(client.call("early", large));
    const fits = outcomeOf(client.call("fits", { text: "é".repeat(460) }));
    const socket = await signIn({ limits });
    const late = outcomeOf(client.call("late", large));
    await serve(socket, 8);
    for (const { error } of [early, late]) {
      expect(error).to.include({ code: "too_large", sent: "no" });
      expect((error as Error).message).to.match(/1\d\d\d .*1000 bytes/);
    }
    expect(fits.value).to.equal("fits");
    expect(client.notify("note", large)).to.equal(false);
    expect(client.notify("note", {})).to.equal(true);
    const subscribed = outcomeOf(client.subscribe("watch", large)[Symbol.asyncIterator]().next());
    await settled();
    expect(subscribed.error).to.include({ code: "too_large" });
    expect(socket.frames.map(({ method }) => method)).to.deep.equal([
      "authenticate",
      "fits",
      "note",
    ]);
    expect(client.state).to.equal("ready");
    expect(sockets).to.have.length(1);
    await client.close();
  });

  it("leaves the others of its batch alone, which go out in as many frames as it takes", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn({ limits });
    const batch = outcomeOf(
      client.batch((api) => [
        ...["a", "b", "c"].map((name) => api[name]?.({ text: "x".repeat(400) })),
        safe(api.large?.(large) ?? Promise.resolve()),
        api.d?.(),
      ]),
    );
    await serve(socket, 8);
    const frames = socket.texts
      .slice(1)
      .map((text) => (JSON.parse(text) as Frame[]).map(({ method }) => method));
    expect(frames).to.deep.equal([["a", "b"], ["c"], ["d"]]);
    for (const text of socket.texts) expect(Buffer.byteLength(text)).to.be.at.most(1_000);
    expect(batch.value?.slice(0, 3)).to.deep.equal(["a", "b", "c"]);
    expect(batch.value?.[3]).to.have.nested.property("error.code", "too_large");
    await client.close();
  });

  it("closes the connection where the limit was not told, and the client comes back without it", async () => {
    const { client, signIn, pass } = scriptedClient();
    const first = await signIn();
    const [call, small] = [
      outcomeOf(client.call("a", large)),
      outcomeOf(client.call("b", {}, { idempotent: true })),
    ];
    const events = client.subscribe("watch")[Symbol.asyncIterator]();
    first.answer(first.last("watch"), { subscription: "s1" });
    first.tell("connection.closing", {
      code: 1009,
      reason: "too_big",
      reconnect: "yes",
      reconnectAfter: [0, 1],
    });
    first.drop(1009, "too_big");
    await settled();
    expect(call.error).to.include({
      code: "disconnected",
      sent: "maybe",
      closeCode: 1009,
      reason: "too_big",
    });
    expect(client.state).to.equal("waiting");
    await pass(2_000);
    const second = await signIn();
    expect(second.count("a")).to.equal(0);
    second.answer(second.last("b"), 2);
    second.answer(second.last("watch"), { subscription: "s1" });
    second.tell("subscription.event", { subscription: "s1", data: 1 });
    expect((await events.next()).value).to.equal(1);
    expect(small.value).to.equal(2);
    await client.close();
  });
});

describe("Every rejection of a call", () => {
  it("says whether it may have run", async () => {
    const { client, signIn, pass } = scriptedClient({ queue: 1, timeout: 1_000 });
    const socket = await signIn({ limits: { ...limits, requestsInFlight: 5 } });
    const [aborted, unsent] = [new AbortController(), new AbortController()];
    const make = (name: string, options = {}) => outcomeOf(client.call(name, {}, options));
    const ran = [make("fails"), make("times out"), make("aborted", { signal: aborted.signal })];
    const refused = make("refused");
    const rest = make("lost", { timeout: Number.POSITIVE_INFINITY });
    const waits = make("waits", { signal: unsent.signal });
    const full = make("full");
    const never = make("never", { signal: AbortSignal.abort() });
    unsent.abort();
    aborted.abort();
    socket.refuse(socket.last("fails"), { code: -32603, message: "Internal error" });
    socket.refuse(socket.last("refused"), errorOf("forbidden"));
    await pass(1_000);
    socket.drop();
    await settled();
    const sent = ({ error }: { error?: unknown }) => (error as { sent?: string } | undefined)?.sent;
    expect([...ran, rest].map(sent)).to.deep.equal(Array(4).fill("maybe"));
    expect([refused, waits, full, never].map(sent)).to.deep.equal(Array(4).fill("no"));
    await client.close();
    const closed = make("closed");
    await settled();
    expect(sent(closed)).to.equal("no");
  });

  it("never says that it has not run of one that was repeated", async () => {
    const { client, signIn, pass } = scriptedClient();
    const first = await signIn();
    const call = outcomeOf(client.call("a", {}, { idempotent: true }));
    first.drop();
    await pass(1_000);
    const second = await signIn();
    second.refuse(second.last("a"), errorOf("forbidden"));
    await settled();
    expect(call.error).to.include({ code: "forbidden", sent: "maybe" });
    await client.close();
  });
});

describe("A call that waits for a connection", () => {
  it("is one of a bounded number", async () => {
    const { client, signIn } = scriptedClient({ queue: 2 });
    const outcomes = ["a", "b", "c"].map((name) => outcomeOf(client.call(name)));
    const socket = await signIn();
    expect(outcomes[2]?.error).to.include({ code: "queue_full" });
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
    expect(call.error).to.include({ code: "timeout" });
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
    expect(bound.error).to.include({ code: "subject_changed" });
    expect(early.error).to.include({ code: "subject_changed" });
    expect(second.frames.map(({ method }) => method)).to.deep.equal(["authenticate"]);
    const own = outcomeOf(client.call("own"));
    second.answer(second.last("own"), 1);
    await settled();
    expect(own.value).to.equal(1);
    await client.close();
  });
});

describe("A call that is made after reconnect()", () => {
  it("is of whoever signs in then, and one made before it of whoever had", async () => {
    const { client, signIn } = scriptedClient();
    await signIn({ subject: "ada" });
    const first = await signIn({ subject: "ada" });
    first.readyState = 2;
    const before = outcomeOf(client.call("before"));
    void client.reconnect();
    const after = outcomeOf(client.call("after"));
    const events = client.subscribe("watch")[Symbol.asyncIterator]();
    const second = await signIn({ subject: "bob" });
    expect(before.error).to.include({ code: "subject_changed", sent: "no" });
    second.answer(second.last("after"), "bob's");
    second.answer(second.last("watch"), { subscription: "s1" });
    second.tell("subscription.event", { subscription: "s1", data: "bob's" });
    await settled();
    expect(after.value).to.equal("bob's");
    expect((await events.next()).value).to.equal("bob's");
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
    expect(call.error).to.include({ code: "disconnected", sent: "maybe", closeCode: 1006 });
    await pass(1_000);
    expect((await signIn()).count("a")).to.equal(0);
    expect(call.count).to.equal(1);
    await client.close();
  });

  it("is repeated when it may run twice, by the client's list or by its own option", async () => {
    const { client, signIn, pass } = scriptedClient({ idempotent: ["listed"] });
    const first = await signIn();
    const outcomes = [client.call("listed"), client.call("own", {}, { idempotent: true })].map(
      outcomeOf,
    );
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
      const calls = [
        outcomeOf(api.a?.({}, { signal: controller.signal }) ?? Promise.resolve()),
        outcomeOf(api.b?.() ?? Promise.resolve()),
      ];
      const watched = api.watch?.() as unknown as Subscription<unknown>;
      watched[Symbol.asyncIterator]()
        .next()
        .catch(() => {});
      controller.abort();
      return calls;
    });
    await settled();
    expect((await outcomes)[0]?.error).to.include({ code: "aborted" });
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
    expect([before, batch].map(({ error }) => (error as { sent: string }).sent)).to.deep.equal([
      "maybe",
      "maybe",
    ]);
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
    expect(plain.error).to.include({ code: "FIRST" });
    expect(failed).to.have.nested.property("error.code", "THIRD");
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
    socket.receive(
      repeated.map(({ id, method }: { id: number; method: string }) => ({
        jsonrpc: "2.0",
        id,
        result: method,
      })),
    );
    await settled();
    expect(batch.value).to.deep.equal(["a", "b", "c"]);
    await client.close();
  });

  it("goes out in as many frames as the server's limit of a batch takes, and each as soon as there is room", async () => {
    const { client, signIn } = scriptedClient();
    const batch = outcomeOf(
      client.batch((api) => Array.from({ length: 12 }, (_, n) => api[`call${n}`]?.())),
    );
    const socket = await signIn({ limits });
    // 8 in flight
    expect(socket.texts.slice(1).map((text) => JSON.parse(text).length)).to.deep.equal([5, 3]);
    const first: Frame[] = JSON.parse(socket.texts[1] ?? "");
    servedOn.set(socket, new Set(first.map(({ id }) => id)));
    socket.receive(first.map(({ id, method }) => ({ jsonrpc: "2.0", id, result: method })));
    expect(JSON.parse(socket.texts.at(-1) ?? "")).to.have.length(4); // one frame for one frame
    await serve(socket, 8);
    expect(batch.value).to.deep.equal(Array.from({ length: 12 }, (_, n) => `call${n}`));
    await client.close();
  });

  it("of a client without a session has no more members than such a one may send", async () => {
    const { client, socket: nextSocket } = scriptedClient({ token: null });
    const batch = outcomeOf(client.batch((api) => [api.a?.(), api.b?.(), api.c?.()]));
    const socket = await nextSocket();
    socket.open();
    await serve(socket, 32);
    expect(socket.texts.map((text) => JSON.parse(text).length)).to.deep.equal([2, 1]);
    expect(batch.value).to.deep.equal(["a", "b", "c"]);
    await client.close();
  });

  it("is not sent when its builder throws, nor is anything of it later", async () => {
    const { client, signIn, pass } = scriptedClient();
    const socket = await signIn();
    const made: ReturnType<typeof outcomeOf>[] = [];
    const unheard: unknown[] = [];
    const note = (reason: unknown) => unheard.push(reason);
    process.on("unhandledRejection", note);
    const broken = new Error("broken builder");
    const batch = outcomeOf(
      client.batch((api) => {
        void api.a?.();
        made.push(outcomeOf(api.b?.() ?? Promise.resolve()));
        throw broken;
      }),
    );
    await settled();
    await pass(100);
    process.off("unhandledRejection", note);
    expect(batch.error).to.equal(broken);
    expect(made[0]?.error).to.include({ code: "aborted", sent: "no", cause: broken });
    expect(unheard).to.deep.equal([]);
    expect(socket.texts).to.have.length(1);
    const next = client.call("c");
    expect(socket.count("c")).to.equal(1);
    socket.answer(socket.last("c"), 3);
    expect(await next).to.equal(3);
    await client.close();
  });

  it("is not sent, and nothing of it waits, when its builder closes the client", async () => {
    const { client, signIn, clock } = scriptedClient();
    const socket = await signIn();
    const batch = outcomeOf(
      client.batch((api) => {
        const before = api.a?.();
        void client.close();
        return [before, api.b?.()];
      }),
    );
    await settled();
    expect(batch.error).to.include({ code: "disconnected", sent: "no" });
    expect(socket.count("a") + socket.count("b")).to.equal(0);
    await settled();
    expect(clock.pending).to.equal(0);
  });

  it("stays one frame when its builder makes a call beside it", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    void outcomeOf(
      client.batch((api) => {
        const first = api.a?.();
        void outcomeOf(client.call("beside"));
        return [first, api.b?.()];
      }),
    );
    const frames = socket.texts
      .slice(1)
      .map((text) => [JSON.parse(text)].flat().map(({ method }: Frame) => method));
    expect(frames).to.deep.equal([["a", "b"], ["beside"]]);
    await client.close();
  });

  it("is rejected when the server refuses it whole, and a single call isn't", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const single = outcomeOf(client.call("single"));
    const short = outcomeOf(client.batch((api) => [api.a?.()]));
    const long = outcomeOf(client.batch((api) => [api.b?.(), api.c?.()]));
    socket.receive({
      jsonrpc: "2.0",
      id: null,
      error: { code: -32600, message: "Invalid Request" },
    });
    await settled();
    expect(long.error).to.include({ code: "invalid_request" });
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
    const calls = [
      outcomeOf(client.call("a")),
      outcomeOf(client.call("b", {}, { idempotent: true })),
    ];
    await client.close();
    await client.close();
    expect(calls.map(({ error }) => (error as { sent: string }).sent)).to.deep.equal([
      "maybe",
      "maybe",
    ]);
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
