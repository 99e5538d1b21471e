import { expect } from "chai";
import { describe, it } from "mocha";
import { createRpc } from "../../src/index.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { ConnectionHarness } from "../helpers/server/connection-harness.js";
import { expectClose, expectError } from "../helpers/server/expected.js";
import {
  ask,
  exchange,
  type Frame,
  leftovers,
  notification,
  request,
  resultOf,
} from "../helpers/server/frames.js";
import { protocolApp } from "../helpers/server/protocol-app.js";
import type { RawClient } from "../helpers/server/raw-client.js";
import { startTimed } from "../helpers/server/timed-server.js";

async function startCalls(limits = {}) {
  const { app, ...seen } = protocolApp();
  return { ...(await startTimed(app, { limits })), ...seen };
}

describe("Protocol §4.4, in flight", () => {
  const fill = (client: RawClient, count: number, method = "wait") =>
    exchange(client, ...Array.from({ length: count }, (_, n) => request(`w${n}`, method)));

  it("at most 64 requests are in flight per connection, and the next ones get -32009 at once", async () => {
    await using server = await startCalls();
    const client = await server.login();
    expect(await fill(client, 64)).to.deep.equal([]);
    expectError(await ask(client, "wait"), "overloaded");
    expectError(await ask(client, "echo"), "overloaded");
    const other = await server.login();
    expect((await ask(other, "echo", [1])).result, "another connection").to.deep.equal([1]);
    server.answers[0]?.();
    expect(await client.next<Frame>()).to.include({ id: "w0", result: "answered" });
    expect((await ask(client, "echo", [1])).result).to.deep.equal([1]);
  });

  it("ping, whoami, auth methods and cancels work while 64 are in flight", async () => {
    await using server = await startCalls();
    const client = await server.login();
    await fill(client, 64);
    expect((await ask(client, "ping")).result).to.equal("pong");
    expect(await resultOf(client, "whoami")).to.include({ state: "active" });
    server.clock.advance(1_000);
    expect(await resultOf(client, "refresh", { token: server.token() })).to.include({
      changed: true,
    });
    const [cancelled] = await exchange(client, notification("$/cancelRequest", { id: "w5" }));
    expectError(cancelled, "cancelled");
    expect((await ask(client, "echo", [1])).result).to.deep.equal([1]);
  });

  it("instant calls never count", async () => {
    await using server = await startCalls({ requestsInFlight: 2 });
    const client = await server.login();
    const answers = await exchange(
      client,
      ...Array.from({ length: 30 }, (_, id) => request(id, "echo", [id])),
    );
    expect(answers.filter(({ error }) => error !== undefined)).to.deep.equal([]);
  });

  it("notifications whose handlers are pending count", async () => {
    await using server = await startCalls({ requestsInFlight: 2 });
    const client = await server.login();
    await exchange(client, notification("wait"), notification("wait"), notification("wait"));
    expect(server.ran).to.deep.equal(["wait", "wait"]);
    expectError(await ask(client, "echo"), "overloaded");
  });

  it("a request counts until its handler's promise has settled, also when it was answered already", async () => {
    await using server = await startCalls({ requestsInFlight: 2 });
    const client = await server.login();
    await fill(client, 2, "stubborn");
    const cancelled = await exchange(
      client,
      notification("$/cancelRequest", { id: "w0" }),
      notification("$/cancelRequest", { id: "w1" }),
    );
    expect(cancelled).to.have.length(2);
    for (const answer of cancelled) expectError(answer, "cancelled");
    expectError(await ask(client, "echo"), "overloaded");
    await client.close();
    while (server.server.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(server.log.filter(({ level }) => level === "error")).to.deep.equal([]);
  });

  it("an id that is in flight is taken: -32600, and nothing runs; null is none to be taken, and one that was answered is free", async () => {
    await using server = await startCalls();
    const client = await server.login();
    await exchange(client, request("a", "wait"), request(null, "wait"), request(null, "wait"));
    expect(server.ran).to.have.length(3);
    const [refused] = await exchange(client, request("a", "echo"));
    expect(refused).to.have.nested.property("error.code", -32600);
    expect(refused).to.include({ id: "a" });
    expect(server.ran).to.have.length(3);
    for (const answer of server.answers) answer();
    expect((await leftovers(client)).map(({ id, result }) => [id, result])).to.have.deep.members([
      ["a", "answered"],
      [null, "answered"],
      [null, "answered"],
    ]);
    expect((await exchange(client, request("a", "echo", [1])))[0]).to.deep.include({
      id: "a",
      result: [1],
    });
  });

  it("an id that is in flight is taken for ping, whoami and the like, too, and for auth methods; another one is free", async () => {
    await using server = await startCalls();
    const client = await server.login();
    await exchange(client, request("a", "wait"));
    for (const method of [
      "ping",
      "whoami",
      "rpc.discover",
      "unsubscribe",
      "no.such.method",
      "refresh",
      "authenticate",
      "logout",
    ]) {
      const [refused] = await exchange(
        client,
        request("a", method, method === "logout" ? undefined : { token: server.token() }),
      );
      expect(refused, method)
        .to.include({ id: "a" })
        .and.have.nested.property("error.code", -32600);
      expect(refused?.error?.data?.hint).to.match(/still in flight/);
    }
    expect(await exchange(client, notification("ping")), "without an id").to.deep.equal([]);
    const [whoami] = await exchange(client, request("b", "whoami"));
    expect(whoami?.result, "nobody was logged out").to.include({ state: "active" });
    server.answers[0]?.();
    expect(await leftovers(client)).to.deep.include({
      jsonrpc: "2.0",
      id: "a",
      result: "answered",
    });
    expect((await exchange(client, request("a", "ping")))[0]).to.include({
      id: "a",
      result: "pong",
    });
  });

  it("the id of an auth method is taken until its answer, and by then no call and no other auth method may have it", async () => {
    const rig = new ConnectionHarness(new ManualClock());
    const now = Math.floor(rig.clock.now() / 1000);
    const token = { subject: "ada", issuedAt: now, mayWrite: false, kind: "genuine" } as const;
    for (const [name, lifetime] of [
      ["first", 100],
      ["second", 200],
    ] as const)
      rig.issue({ ...token, name, expiresAt: now + lifetime });
    rig.send({ id: 1, method: "authenticate", params: ["first"] });
    rig.finishVerification();
    await rig.settle();
    rig.received();
    rig.send({ id: 1, method: "refresh", params: ["second"] });
    for (const method of ["read", "ping", "refresh"])
      rig.send({ id: 1, method, params: { number: 1 } });
    rig.send({ id: 2, method: "read", params: { number: 2 } });
    rig.send({ method: "$/cancelRequest", params: { id: 1 } });
    await rig.settle();
    expect(rig.runs).to.deep.equal([[2, "ada"]]);
    const codes = () => rig.received().map(({ id, error }) => [id, error?.code]);
    expect(codes()).to.have.deep.members([
      [1, -32600],
      [1, -32600],
      [1, -32600],
      [2, undefined],
    ]);
    rig.finishVerification();
    await rig.settle();
    expect(codes()).to.deep.equal([[1, undefined]]);
    rig.send({ id: 1, method: "read", params: { number: 3 } });
    await rig.settle();
    expect(codes()).to.deep.equal([[1, undefined]]);
    rig.dispose();
  });

  it("a deadline is hit by a request that is late, and not by one that was answered", async () => {
    const { app, answers } = protocolApp();
    await using server = await startTimed(app, { metrics: { port: 0 } });
    const client = await server.login();
    const hits = () =>
      /^jotwire_limit_hits_total\{limit="requestTimeout"\} (\d+)$/m.exec(
        server.server.metricsText(),
      )?.[1] ?? "0";
    await exchange(client, request("answered", "wait"));
    answers[0]?.();
    await leftovers(client);
    server.clock.advance(30_000);
    expect(hits()).to.equal("0");
    await exchange(client, request("late", "wait"));
    server.clock.advance(30_000);
    expectError((await leftovers(client))[0], "timeout");
    expect(hits()).to.equal("1");
  });

  it("a handler that throws since it was aborted is no fault of the server; one that throws is", async () => {
    const rpc = createRpc();
    const app = rpc.router({
      wait: rpc.method({
        handler: ({ signal }) =>
          new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      }),
      fail: rpc.method({ handler: () => Promise.reject(new Error("broken")) }),
    });
    await using server = await startTimed(app);
    const client = await server.login();
    const faults = () => server.log.filter(({ level }) => level === "error").length;
    await exchange(client, request(1, "wait"));
    expectError(
      (await exchange(client, notification("$/cancelRequest", { id: 1 })))[0],
      "cancelled",
    );
    expect(faults()).to.equal(0);
    expect((await ask(client, "fail")).error?.code).to.equal(-32603);
    expect(faults()).to.equal(1);
  });

  it("a handler that asks for its signal after it was aborted is given an aborted one", async () => {
    const seen: boolean[] = [];
    const releases: (() => void)[] = [];
    const rpc = createRpc();
    const app = rpc.router({
      late: rpc.method({
        async handler(context) {
          await new Promise<void>((resolve) => releases.push(resolve));
          seen.push(context.signal.aborted);
        },
      }),
    });
    await using server = await startTimed(app);
    const client = await server.login();
    await exchange(client, request(1, "late"), request(2, "late"));
    await exchange(client, notification("$/cancelRequest", { id: 1 }));
    for (const release of releases) release();
    await leftovers(client);
    expect(seen).to.deep.equal([true, false]);
  });

  it("each request has a deadline of 30 s: -32008, and its handler's signal aborts", async () => {
    await using server = await startCalls();
    const client = await server.login();
    await exchange(client, request("slow", "wait"));
    server.clock.advance(29_999);
    expect(await leftovers(client)).to.deep.equal([]);
    expect(server.signals[0]?.aborted).to.equal(false);
    server.clock.advance(1);
    const answers = await leftovers(client);
    expect(answers).to.have.length(1);
    expect(answers[0]?.id).to.equal("slow");
    expectError(answers[0], "timeout");
    expect(server.signals[0]?.aborted).to.equal(true);
  });

  it("the deadline of a method is its option, and that of a batch's element is its own", async () => {
    const rpc = createRpc();
    const never = () => new Promise<never>(() => {});
    const app = rpc.router({
      quick: rpc.method({ timeout: 1_000, handler: never }),
      usual: rpc.method({ handler: never }),
      endless: rpc.method({ timeout: Number.POSITIVE_INFINITY, handler: never }),
    });
    await using server = await startTimed(app);
    const client = await server.login();
    await exchange(client, request("e", "endless"), request("u", "usual"), [
      request("q", "quick"),
      request("p", "ping"),
    ]);
    server.clock.advance(1_000);
    const [answers] = (await leftovers(client)) as unknown as Frame[][];
    expectError(answers?.[0], "timeout");
    expect(answers?.[1]).to.include({ id: "p", result: "pong" });
    server.clock.advance(600_000);
    expect(
      (await leftovers(client)).filter(({ id }) => id !== undefined).map(({ id }) => id),
    ).to.deep.equal(["u"]);
  });
});

describe("Protocol §4.5, $/cancelRequest", () => {
  it("aborts the handler's signal, and the request is answered -32011", async () => {
    await using server = await startCalls();
    const client = await server.login();
    for (const id of ["a", 0, "", 7]) await exchange(client, request(id, "wait"));
    for (const [index, id] of ["a", 0, "", 7].entries()) {
      const answers = await exchange(client, notification("$/cancelRequest", { id }));
      expect(answers, String(id)).to.have.length(1);
      expect(answers[0]?.id).to.equal(id);
      expectError(answers[0], "cancelled");
      expect(server.signals.map(({ aborted }) => aborted)).to.deep.equal(
        [0, 1, 2, 3].map((each) => each <= index),
      );
    }
  });

  it("is silent for an id that is not in flight, or not of this connection, or of another type", async () => {
    await using server = await startCalls();
    const client = await server.login();
    const other = await server.login();
    await exchange(client, request(1, "wait"));
    const strange = [{ id: 2 }, { id: "1" }, { id: null }, { id: {} }, { id: [1] }, {}, undefined];
    expect(
      await exchange(client, ...strange.map((params) => notification("$/cancelRequest", params))),
    ).to.deep.equal([]);
    expect(await exchange(other, notification("$/cancelRequest", { id: 1 }))).to.deep.equal([]);
    expect(server.signals[0]?.aborted).to.equal(false);
    server.answers[0]?.();
    expect(await client.next<Frame>()).to.include({ id: 1, result: "answered" });
    expect(await exchange(client, notification("$/cancelRequest", { id: 1 }))).to.deep.equal([]);
  });

  it("works in every state", async () => {
    await using server = await startCalls({ requestTimeout: Number.POSITIVE_INFINITY });
    const client = await server.login();
    await exchange(client, request("a", "wait"), request("b", "wait"));
    server.clock.advance(900_000);
    await leftovers(client);
    const [inExpired] = await exchange(client, notification("$/cancelRequest", { id: "a" }));
    expectError(inExpired, "cancelled");
    await ask(client, "logout");
    const [inOpen] = await exchange(client, notification("$/cancelRequest", { id: "b" }));
    expectError(inOpen, "cancelled");
  });

  it("an element of a batch can be cancelled", async () => {
    await using server = await startCalls();
    const client = await server.login();
    await exchange(client, [request("a", "wait"), request("b", "ping")]);
    client.send(notification("$/cancelRequest", { id: "a" }));
    const answers = await client.next<Frame[]>();
    expectError(answers[0], "cancelled");
    expect(answers[1]).to.include({ result: "pong" });
  });

  it("closing the socket aborts all of its signals", async () => {
    await using server = await startCalls();
    const client = await server.login();
    const other = await server.login();
    await exchange(client, request(1, "wait"), notification("wait"), [request(2, "wait")]);
    await exchange(other, request(1, "wait"));
    client.socket.terminate();
    while (server.server.connections > 1) await new Promise((resolve) => setImmediate(resolve));
    expect(server.signals.map(({ aborted }) => aborted)).to.deep.equal([true, true, true, false]);
  });

  it("a close that the server decides on aborts all of its signals", async () => {
    await using server = await startCalls({ grace: 0, requestTimeout: Number.POSITIVE_INFINITY });
    const client = await server.login();
    await exchange(client, request(1, "wait"));
    server.clock.advance(900_000);
    await expectClose(client, "token_expired");
    expect(server.signals[0]?.aborted).to.equal(true);
  });
});
