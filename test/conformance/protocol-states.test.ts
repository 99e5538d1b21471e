import { expect } from "chai";
import { describe, it } from "mocha";
import { type ConnectionHandle, createRpc } from "../../src/index.js";
import { ClaimsGate } from "../helpers/server/claims-gate.js";
import { expectClose, expectError } from "../helpers/server/expected.js";
import {
  ask,
  exchange,
  type Frame,
  leftovers,
  notification,
  request,
  resultOf,
  told,
} from "../helpers/server/frames.js";
import { protocolApp } from "../helpers/server/protocol-app.js";
import { sampleApp, startServer } from "../helpers/server/test-server.js";
import { startTimed } from "../helpers/server/timed-server.js";

const needSession = [
  "echo",
  "no.such.method",
  "rpc.discover",
  "rpc.other",
  "unsubscribe",
  "checked",
  "__proto__",
  "constructor",
];

/** A timed server that hands out the connections' handles, in the order they came. */
async function startWatched(limits = {}) {
  const { app, ...seen } = protocolApp();
  const handles: ConnectionHandle[] = [];
  const server = await startTimed(app, {
    limits,
    hooks: { connected: (handle) => void handles.push(handle) },
  });
  const push = (n: number): void => handles.at(-1)?.notify("news", { n });
  return { ...server, ...seen, push };
}

const news = (frames: readonly Frame[]) =>
  frames.filter(({ method }) => method === "news").map(({ params }) => params?.n);

describe("Protocol §2, OPEN", () => {
  it("in OPEN authenticate, ping, whoami and methods declared public run", async () => {
    await using server = await startTimed(sampleApp());
    const client = await server.connect();
    expect((await ask(client, "ping")).result).to.equal("pong");
    expect((await ask(client, "whoami")).result).to.include({ state: "open" });
    expect((await ask(client, "time.now")).result).to.be.a("string");
    expect((await ask(client, "authenticate", [server.token()])).result).to.include({
      subject: "user-1",
    });
  });

  it("in OPEN anything else, existing or not, is -32001, in the same words, before any schema runs", async () => {
    const { app, ran } = protocolApp();
    await using server = await startTimed(app);
    const client = await server.connect();
    const answers = await Promise.all(needSession.map(() => undefined));
    for (const [index, method] of needSession.entries()) {
      const { id: _id, ...answer } = await ask(client, method, { wrong: true });
      answers[index] = answer as never;
      expectError({ ...answer, id: 0 }, "unauthenticated");
    }
    expect(
      new Set(answers.map((answer) => JSON.stringify(answer))).size,
      "one answer for all names",
    ).to.equal(1);
    for (const method of ["refresh", "logout"])
      expectError(await ask(client, method, { token: server.token() }), "unauthenticated");
    expect(
      await exchange(client, notification("echo"), notification("no.such.method")),
    ).to.deep.equal([]);
    expect(ran).to.deep.equal([]);
  });

  it("in OPEN no push goes out but auth.* and connection.*", async () => {
    await using server = await startWatched();
    const client = await server.connect();
    expect((await ask(client, "ping")).result).to.equal("pong");
    server.push(1);
    expect(await leftovers(client)).to.deep.equal([]);
    await client.authenticate(server.token());
    server.push(2);
    expect(news(await leftovers(client)), "what came in OPEN was not kept").to.deep.equal([2]);
  });

  it("2.3 the auth deadline, 30 s from open, is absolute: no frame extends it", async () => {
    await using server = await startTimed(sampleApp());
    const client = await server.connect();
    for (let second = 0; second < 30; second += 3) {
      if (second > 0) server.clock.advance(3_000);
      await exchange(
        client,
        request(1, "time.now"),
        request(2, "authenticate", { token: 3 }),
        "not JSON",
      );
      if (second === 9) break;
    }
    for (let second = 12; second < 30; second += 3) {
      server.clock.advance(3_000);
      expect((await ask(client, "ping")).result).to.equal("pong");
    }
    server.clock.advance(2_999);
    expect((await ask(client, "ping")).result).to.equal("pong");
    server.clock.advance(1);
    await expectClose(client, "auth_timeout");
  });

  it("2.3 the auth deadline also ends a connection whose token is still being verified", async () => {
    const gate = new ClaimsGate();
    await using server = await startTimed(protocolApp(gate.schema).app);
    const client = await server.connect();
    const release = gate.holdNext();
    client.send(request(1, "authenticate", { token: server.token() }));
    await gate.whenArrived(1);
    server.clock.advance(30_000);
    release();
    expect(
      (await expectClose(client, "auth_timeout")).before.some(({ result }) => result !== undefined),
    ).to.equal(false);
  });

  it("an authenticated connection has no auth deadline, and after logout there is a new one", async () => {
    await using server = await startTimed(sampleApp());
    const client = await server.login();
    server.clock.advance(60_000);
    expect(await resultOf(client, "logout")).to.deep.equal({ ok: true });
    server.clock.advance(29_999);
    expect(await resultOf(client, "whoami")).to.include({ state: "open", subject: null });
    server.clock.advance(1);
    await expectClose(client, "auth_timeout");
  });
});

describe("Protocol §2, the end of a session", () => {
  it("2.1 expired means now >= exp, with no leeway", async () => {
    await using server = await startTimed(protocolApp().app);
    const client = await server.login();
    server.clock.advance(899_999);
    expect((await ask(client, "echo", [1])).result).to.deep.equal([1]);
    server.clock.advance(1);
    expectError(await ask(client, "echo", [1]), "token_expired", { context: "session" });
  });

  it("in EXPIRED ping, whoami and public methods run; anything else is -32002, raised before any handler or schema runs", async () => {
    const { app, ran } = protocolApp();
    await using server = await startTimed(app);
    const client = await server.login();
    server.clock.advance(900_000);
    for (const method of needSession) {
      expectError(await ask(client, method, { wrong: true }), "token_expired", {
        context: "session",
        action: "refresh",
      });
    }
    expect(ran).to.deep.equal([]);
    expect((await ask(client, "ping")).result).to.equal("pong");
    expect((await ask(client, "whoami")).result).to.include({
      state: "expired",
      subject: "user-1",
    });
    expect((await ask(client, "time.now")).result).to.equal("nobody");
  });

  it("in EXPIRED refresh, authenticate and logout run", async () => {
    await using server = await startTimed(protocolApp().app);
    for (const method of ["refresh", "authenticate"]) {
      const client = await server.login();
      server.clock.advance(900_000);
      expect(await resultOf(client, method, { token: server.token() })).to.include({
        changed: true,
        expiresIn: 900,
      });
      expect((await ask(client, "echo", [1])).result).to.deep.equal([1]);
    }
    const client = await server.login();
    server.clock.advance(900_000);
    expect(await resultOf(client, "logout")).to.deep.equal({ ok: true });
    expect(await resultOf(client, "whoami")).to.include({ state: "open", subject: null });
  });

  it("2.1 expiry is checked for each element of a batch", async () => {
    const rpc = createRpc();
    let pass = (): void => {};
    const app = rpc.router({
      work: rpc.method({ handler: () => "done" }),
      sleep: rpc.method({ handler: () => pass() }),
    });
    await using server = await startTimed(app);
    pass = () => server.clock.advance(900_000);
    const client = await server.login();
    client.send([request(1, "work"), request(2, "sleep"), request(3, "work"), request(4, "ping")]);
    const batch: Frame[] = [];
    while (batch.length === 0)
      batch.push(...[await client.next<Frame[] | Frame>()].filter(Array.isArray).flat());
    expect(batch.map(({ id }) => id)).to.deep.equal([1, 2, 3, 4]);
    expect(batch[0]).to.include({ result: "done" });
    expectError(batch[2], "token_expired", { context: "session" });
    expect(batch[3]).to.include({ result: "pong" });
  });

  it("2.1 expiry is checked before a push is written", async () => {
    await using server = await startWatched();
    const client = await server.login();
    server.push(1);
    expect(news(await leftovers(client))).to.deep.equal([1]);
    server.clock.stepWall(900_000); // no timer has fired, and no request has come
    server.push(2);
    expect(news(await leftovers(client))).to.deep.equal([]);
  });

  it("2.1 expiry is checked by a timer, so an idle socket is told, and closed when grace is over", async () => {
    await using server = await startTimed(protocolApp().app);
    const client = await server.login({ exp: server.seconds() + 5 });
    server.clock.advance(5_000);
    expect(await told(client, "auth.expired")).to.include({ closeIn: 30 });
    server.clock.advance(29_999);
    expect(await leftovers(client)).to.deep.equal([]);
    server.clock.advance(1);
    await expectClose(client, "token_expired");
  });

  it("2.1 stepping the system clock back does not extend a session", async () => {
    await using server = await startTimed(protocolApp().app);
    const client = await server.login();
    server.clock.advance(450_000);
    server.clock.stepWall(-3_600_000);
    expect((await ask(client, "echo", [])).result).to.deep.equal([]);
    expect((await resultOf(client, "whoami")).expiresIn).to.equal(450);
    server.clock.advance(450_000);
    expectError(await ask(client, "echo", []), "token_expired", { context: "session" });
    server.clock.advance(30_000);
    await expectClose(client, "token_expired");
  });

  it("2.1 after the clock was stepped back, the token that has expired on this connection does not revive it", async () => {
    await using server = await startTimed(protocolApp().app);
    for (const method of ["refresh", "authenticate"]) {
      const client = await server.connect();
      const token = server.token({ exp: server.seconds() + 10 });
      await client.authenticate(token);
      server.clock.advance(10_000);
      server.clock.stepWall(-20_000);
      expect((await ask(client, method, { token })).error?.code, method).to.equal(-32002);
      expect(await resultOf(client, "whoami")).to.include({ state: "expired" });
    }
  });

  it("2.1 stepping the system clock forward expires a session at once", async () => {
    await using server = await startTimed(protocolApp().app);
    const client = await server.login();
    server.clock.stepWall(899_999);
    expect((await ask(client, "echo", [])).result).to.deep.equal([]);
    server.clock.stepWall(1);
    expectError(await ask(client, "echo", []), "token_expired", { context: "session" });
  });

  it("2.1 timers survive any exp: one more than 2^31-1 ms away, by the machine's own clock, does not expire", async () => {
    await using server = await startServer(protocolApp().app);
    const now = Math.floor(Date.now() / 1_000);
    for (const exp of [
      now + 2_147_484,
      now + 2_147_483_648,
      253_402_300_799,
      Number.MAX_SAFE_INTEGER,
    ]) {
      const client = await server.login({ exp });
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
      expect(await leftovers(client), String(exp)).to.deep.equal([]);
      expect(await resultOf(client, "whoami")).to.include({ state: "active" });
    }
  });

  it("2.1 a session with an exp more than 2^31-1 ms away expires when its time has come", async () => {
    // what is looked at every second or two takes a while in a month
    const unwatched = {
      loopDelay: Number.POSITIVE_INFINITY,
      heapPercent: Number.POSITIVE_INFINITY,
      frameTimeout: Number.POSITIVE_INFINITY,
    };
    await using server = await startTimed(protocolApp().app, { limits: unwatched });
    const month = 30 * 86_400; // 30 d in seconds
    const client = await server.login({ exp: server.seconds() + month });
    server.clock.advance((month - 61) * 1_000);
    expect(await leftovers(client)).to.deep.equal([]);
    server.clock.advance(61_000);
    expect((await leftovers(client)).map(({ method }) => method)).to.deep.equal([
      "auth.expiring",
      "auth.expired",
    ]);
  });

  it("2.1 the token is judged once, not per request", async () => {
    const gate = new ClaimsGate();
    await using server = await startTimed(protocolApp(gate.schema).app);
    const client = await server.login();
    for (let n = 0; n < 10; n++) await ask(client, "echo", [n]);
    expect(gate.arrived).to.equal(1);
  });

  it("2.2 a request admitted in ACTIVE may finish after expiry, and its response is delivered", async () => {
    const { app, answers } = protocolApp();
    await using server = await startTimed(app, {
      limits: { requestTimeout: Number.POSITIVE_INFINITY },
    });
    const client = await server.login();
    server.clock.advance(890_000);
    await exchange(client, request("slow", "wait"));
    server.clock.advance(10_000);
    await told(client, "auth.expired");
    for (const answer of answers) answer();
    expect(await client.next()).to.deep.equal({ jsonrpc: "2.0", id: "slow", result: "answered" });
  });

  it("with a grace of 0 the connection is cut at the moment of expiry", async () => {
    await using server = await startTimed(protocolApp().app, { limits: { grace: 0 } });
    const client = await server.login();
    server.clock.advance(899_999);
    expect((await ask(client, "whoami")).result).to.include({ state: "active", grace: 0 });
    server.clock.advance(1);
    const { before } = await expectClose(client, "token_expired");
    expect(before.map(({ method }) => method)).to.not.include("auth.expired");
  });
});

describe("Protocol §2, pushes of an expired session", () => {
  it("are held in order, and flushed after a refresh, behind its result", async () => {
    await using server = await startWatched();
    const client = await server.login({ exp: server.seconds() + 100 });
    server.clock.advance(100_000);
    for (const n of [1, 2, 3]) server.push(n);
    expect(news(await leftovers(client))).to.deep.equal([]);
    client.send(request("r", "refresh", { token: server.token() }));
    const frames: Frame[] = [];
    while (frames.length < 4) frames.push(await client.next<Frame>());
    expect(frames[0]?.result).to.include({ changed: true, gap: false });
    expect(news(frames)).to.deep.equal([1, 2, 3]);
    server.push(4);
    expect(news(await leftovers(client))).to.deep.equal([4]);
  });

  it("are flushed after an authenticate too, which acts as a refresh", async () => {
    await using server = await startWatched();
    const client = await server.login({ exp: server.seconds() + 100 });
    server.clock.advance(100_000);
    server.push(1);
    expect(await resultOf(client, "authenticate", { token: server.token() })).to.include({
      changed: true,
      gap: false,
    });
    expect(news(await leftovers(client))).to.deep.equal([1]);
  });

  it("stay held when a refresh fails", async () => {
    await using server = await startWatched();
    const client = await server.login({ exp: server.seconds() + 100 });
    server.clock.advance(100_000);
    server.push(1);
    expectError(
      await ask(client, "refresh", { token: server.token({ sub: "user-2" }) }),
      "subject_mismatch",
    );
    expect(news(await leftovers(client))).to.deep.equal([]);
    await ask(client, "refresh", { token: server.token() });
    expect(news(await leftovers(client))).to.deep.equal([1]);
  });

  it("are held up to 256 messages; on overflow they are dropped, and the refresh result says gap: true", async () => {
    await using server = await startWatched({ grace: 100_000 });
    for (const [count, gap] of [
      [256, false],
      [257, true],
      [300, true],
    ] as const) {
      const client = await server.login({ exp: server.seconds() + 5 });
      server.clock.advance(5_000);
      for (let n = 1; n <= count; n++) server.push(n);
      expect(
        await resultOf(client, "refresh", { token: server.token({ exp: server.seconds() + 5 }) }),
      ).to.include({ gap });
      const sent = news(await leftovers(client));
      expect(sent, `${count} messages`).to.deep.equal(
        gap ? [] : Array.from({ length: count }, (_, index) => index + 1),
      );
      server.clock.advance(5_000);
      expect(
        await resultOf(client, "refresh", { token: server.token() }),
        "the next one",
      ).to.include({ gap: false });
    }
  });

  it("are held up to 256 KiB", async () => {
    const { app } = protocolApp();
    const handles: ConnectionHandle[] = [];
    await using server = await startTimed(app, {
      hooks: { connected: (handle) => void handles.push(handle) },
    });
    for (const [size, gap] of [
      [8_000, false],
      [9_000, true],
    ] as const) {
      const client = await server.login({ exp: server.seconds() + 100 });
      server.clock.advance(100_000);
      for (let n = 0; n < 30; n++) handles.at(-1)?.notify("bulk", { text: "x".repeat(size) });
      expect(
        await resultOf(client, "refresh", { token: server.token() }),
        `30 of ${size}`,
      ).to.include({ gap });
      const held = (await leftovers(client)).filter(({ method }) => method === "bulk");
      expect(held).to.have.length(gap ? 0 : 30);
    }
  });

  it("never reach the next user: logout drops them", async () => {
    await using server = await startWatched();
    const client = await server.login({ exp: server.seconds() + 100 });
    server.clock.advance(100_000);
    server.push(1);
    await ask(client, "logout");
    expect(
      await resultOf(client, "authenticate", { token: server.token({ sub: "user-2" }) }),
    ).to.include({ subject: "user-2" });
    expect(news(await leftovers(client))).to.deep.equal([]);
  });
});
