import { expect } from "chai";
import { describe, it } from "mocha";
import { closeTable, type ServerOptions } from "../../src/index.js";
import { type CloseReason, reconnectAfterClose } from "../../src/protocol/close-codes.js";
import { closingParams } from "../../src/server/connection/closing.js";
import { expectClose, expectError } from "../helpers/server/expected.js";
import {
  ask,
  exchange,
  type Frame,
  leftovers,
  request,
  resultOf,
  told,
} from "../helpers/server/frames.js";
import { protocolApp } from "../helpers/server/protocol-app.js";
import { startTimed } from "../helpers/server/timed-server.js";
import { upgrade } from "../helpers/server/upgrade.js";

/** Seconds, as PROTOCOL.md has them. */
const windows: Partial<Record<CloseReason, readonly [number, number]>> = {
  internal: [1, 10],
  frame_timeout: [1, 10],
  auth_timeout: [1, 10],
  overloaded: [5, 30],
  too_many_attempts: [30, 60],
  too_many_requests: [30, 60],
};

async function startClosing(options: Partial<ServerOptions> = {}) {
  const { app, ...seen } = protocolApp();
  const closed: number[] = [];
  const hooks = { closed: (_connection: unknown, code: number) => void closed.push(code) };
  return { ...(await startTimed(app, { hooks, ...options })), ...seen, closed };
}

describe("Protocol §8, what a client does about a close", () => {
  it("every code that is not in the table has a rule", () => {
    for (const code of [1004, 1005, 1006, 1014, 1015, 1016, 2999, 3000, 3999, 4000, 4402, 4499])
      expect(reconnectAfterClose(code), String(code)).to.equal("yes");
    for (const code of [1002, 1007, 1010, 4500, 4999])
      expect(reconnectAfterClose(code), String(code)).to.equal("no");
  });

  it("reconnect differs from the table for 1008 only, and reconnectAfter has its defaults", () => {
    for (const [name, { code, reconnect: byCode }] of Object.entries(closeTable)) {
      const reason = name as CloseReason;
      const { reconnect, reconnectAfter } = closingParams({ reason });
      expect(reconnect, reason).to.equal(reason === "frame_timeout" ? "yes" : byCode);
      expect(reconnectAfterClose(code), reason).to.equal(byCode);
      expect(reconnectAfter, reason).to.deep.equal(windows[reason] ?? [0, 1]);
    }
  });
});

describe("Protocol §8, close codes", () => {
  it("a client that closes with 1000 is answered with 1000, and told nothing", async () => {
    await using server = await startClosing();
    const client = await server.login();
    client.socket.close(1000, "bye");
    expect(await client.closed).to.include({ code: 1000 });
    expect(client.queued).to.deep.equal([]);
    while (server.server.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(server.closed).to.deep.equal([1000]);
  });

  it("1001 going_away: the server stops; clients reconnect at a random moment within reconnectAfter", async () => {
    await using server = await startClosing();
    const [active, open] = [await server.login(), await server.connect()];
    await leftovers(open);
    const stopped = server.server.close();
    await expectClose(active, "going_away");
    const { params } = await expectClose(open, "going_away");
    expect(params).to.have.all.keys("code", "reason", "reconnect", "reconnectAfter");
    await stopped;
    expect(server.closed).to.deep.equal([1001, 1001]);
  });

  it("1003 unsupported_data: a binary frame", async () => {
    await using server = await startClosing();
    const client = await server.login();
    client.socket.send(Buffer.from("{}"));
    await expectClose(client, "unsupported_data");
  });

  it("1009 too_big: a frame over the limit", async () => {
    await using server = await startClosing();
    const client = await server.login();
    client.send(request(1, "echo", ["x".repeat(70_000)]));
    await expectClose(client, "too_big");
    expect(server.ran).to.deep.equal([]);
  });

  it("1013 overloaded: a send buffer over its hard limit", async () => {
    await using server = await startClosing({ limits: { sendBufferHardBytes: 100_000 } });
    const client = await server.login();
    client.socket.pause();
    for (let id = 0; id < 30; id++) client.send(request(id, "text", { size: 1_000_000 }));
    while (!server.log.some(({ fields }) => fields.reason === "overloaded"))
      await new Promise((resolve) => setImmediate(resolve));
    client.socket.resume();
    const { before, params } = await expectClose(client, "overloaded");
    expect(before.length).to.be.below(31);
    const [least = 0] = params.reconnectAfter as number[];
    expect(least, "back off").to.be.above(0);
    const other = await server.login();
    expect((await ask(other, "ping")).result).to.equal("pong");
  });

  it("4400 protocol_error: 20 unparsable frames in a row", async () => {
    await using server = await startClosing();
    for (const client of [await server.login(), await server.connect()]) {
      for (let round = 0; round < 2; round++) {
        for (let n = 0; n < 19; n++) client.send("{");
        expect(await leftovers(client), "19, and a good one").to.have.length(19);
      }
      for (let n = 0; n < 20; n++) client.send("{");
      const { before } = await expectClose(client, "protocol_error");
      expect(before.map(({ error }) => error?.code)).to.deep.equal(Array(20).fill(-32700));
    }
  });

  it("4401 token_expired and token_revoked: reconnect only with a new token", async () => {
    await using server = await startClosing();
    const [first, second] = [
      await server.login({ exp: server.seconds() + 9 }),
      await server.login({ sub: "user-2" }),
    ];
    await server.server.revoke({ subject: "user-2" });
    await expectClose(second, "token_revoked");
    server.clock.advance(9_000);
    await told(first, "auth.expired");
    server.clock.advance(30_000);
    await expectClose(first, "token_expired");
  });

  it("4408 auth_timeout: nobody has authenticated in time", async () => {
    await using server = await startClosing();
    const client = await server.connect();
    await leftovers(client);
    server.clock.advance(30_000);
    await expectClose(client, "auth_timeout");
  });

  it("4409 replaced: one session per subject, if so configured", async () => {
    await using server = await startClosing({ limits: { connectionsPerSubject: 1 } });
    const [first, other] = [await server.login(), await server.login({ sub: "user-2" })];
    expect(await leftovers(first)).to.deep.equal([]);
    const second = await server.login();
    await expectClose(first, "replaced");
    for (const client of [second, other])
      expect(await resultOf(client, "whoami")).to.include({ state: "active" });
    await ask(second, "logout");
    const third = await server.login();
    expect(await resultOf(second, "whoami"), "logged out, so not replaced").to.include({
      state: "open",
    });
    expect(await resultOf(third, "whoami")).to.include({ state: "active" });
  });

  it("4409 replaced: the oldest of more than so many, and who has left makes room", async () => {
    await using server = await startClosing({ limits: { connectionsPerSubject: 2 } });
    const [first, second] = [await server.login(), await server.login()];
    for (const client of [first, second])
      expect(await resultOf(client, "whoami")).to.include({ state: "active" });
    await second.close();
    while (server.server.connections > 1) await new Promise((resolve) => setImmediate(resolve));
    const third = await server.login();
    for (const client of [first, third])
      expect(await resultOf(client, "whoami"), "two are there").to.include({ state: "active" });
    const fourth = await server.login();
    await expectClose(first, "replaced");
    for (const client of [third, fourth])
      expect(await resultOf(client, "whoami")).to.include({ state: "active" });
  });

  it("4429 too_many_attempts and too_many_requests: come back after 30 s at least", async () => {
    await using server = await startClosing();
    const attempts = await server.connect();
    for (let n = 0; n < 5; n++) attempts.send(request(n, "authenticate", { token: "a.b.c" }));
    const first = await expectClose(attempts, "too_many_attempts");
    expect(
      first.before.map(({ id }) => id),
      "the answers come first",
    ).to.deep.equal([0, 1, 2, 3, 4]);
    await using limited = await startClosing({ limits: { openFramesPerSecond: 1 } });
    const requests = await limited.connect();
    for (let second = 0; second < 10; second++) {
      await exchange(requests);
      limited.clock.advance(1_000);
    }
    requests.send(request(1, "ping"), request(2, "ping"));
    const second = await expectClose(requests, "too_many_requests");
    for (const { params } of [first, second])
      expect((params.reconnectAfter as number[])[0]).to.be.at.least(30);
  });

  it("every reason fits the 123 bytes of a close frame", () => {
    for (const reason of Object.keys(closeTable))
      expect(Buffer.byteLength(reason)).to.be.at.most(123);
  });

  it("connection.closing is the last frame, and the replies of the same turn come before it", async () => {
    await using server = await startClosing();
    const client = await server.login();
    client.send(
      request(1, "echo", [1]),
      request(2, "ping"),
      [request(3, "ping")],
      request(4, "echo", ["x".repeat(70_000)]),
      request(5, "ping"),
    );
    const { before } = await expectClose(client, "too_big");
    expect(before.flat().map((frame) => (frame as Frame).id)).to.have.members([1, 2, 3]);
  });

  it("what ws cuts by itself comes without connection.closing", async () => {
    await using server = await startClosing();
    const client = await server.login();
    client.socket.send(Buffer.from([0x22, 0xff, 0x22]), { binary: false }); // no UTF-8
    expect(await client.closed).to.include({ code: 1007 });
    expect(client.queued).to.deep.equal([]);
  });
});

describe("Protocol §7 and §8, drain", () => {
  it("1012 server_restart: connection.closing comes ahead, what is in flight finishes, and new calls are -32009", async () => {
    await using server = await startClosing();
    const client = await server.login();
    await exchange(client, request("slow", "wait"));
    const stopped = server.server.close({ drain: 10_000 });
    const ahead = await told(client, "connection.closing");
    expect(ahead).to.include({
      code: 1012,
      reason: "server_restart",
      reconnect: "yes",
      closeIn: 10,
    });
    expect(ahead.reconnectAfter).to.deep.equal([0, 1]);
    expectError(await ask(client, "echo"), "overloaded");
    expect((await ask(client, "ping")).result).to.equal("pong");
    expect(await resultOf(client, "whoami")).to.include({ state: "active" });
    server.answers[0]?.();
    expect(await client.next()).to.deep.equal({ jsonrpc: "2.0", id: "slow", result: "answered" });
    server.clock.advance(1_000);
    const { before, params } = await expectClose(client, "server_restart");
    expect(before).to.deep.equal([]);
    expect(params).to.not.have.property("closeIn");
    await stopped;
  });

  it("what is still in flight when the drain is over is cut, and its signal aborts", async () => {
    await using server = await startClosing();
    const client = await server.login();
    await exchange(client, request("slow", "wait"));
    const stopped = server.server.close({ drain: 10_000 });
    await told(client, "connection.closing");
    server.clock.advance(10_000);
    await expectClose(client, "server_restart");
    await stopped;
    expect(server.signals[0]?.aborted).to.equal(true);
  });

  it("no new socket is accepted while it drains", async () => {
    await using server = await startClosing();
    const client = await server.login();
    await exchange(client, request("slow", "wait"));
    const stopped = server.server.close({ drain: 10_000 });
    const status = await upgrade(server.url).then(
      (answer) => answer.status,
      () => 503,
    );
    expect(status).to.equal(503);
    server.answers[0]?.();
    await leftovers(client);
    server.clock.advance(1_000);
    await stopped;
  });
});
