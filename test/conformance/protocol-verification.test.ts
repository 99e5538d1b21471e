import { expect } from "chai";
import { describe, it } from "mocha";
import type { RenewedTokens } from "../../src/index.js";
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
import type { RawClient } from "../helpers/server/raw-client.js";
import { startTimed } from "../helpers/server/timed-server.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";

async function startGated(limits = {}) {
  const gate = new ClaimsGate();
  const { app, ran } = protocolApp(gate.schema);
  const authenticated: string[] = [];
  const server = await startTimed(app, {
    limits,
    hooks: { authenticated: (_connection, { subject }) => void authenticated.push(subject) },
  });
  return { ...server, gate, ran, authenticated };
}

async function nextFrames(client: RawClient, count: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  while (frames.length < count) frames.push(await client.next<Frame>());
  return frames;
}

/** Lets the sockets and the event loop do what they have to do. */
async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe("Protocol §2, while a token is verified", () => {
  it("2.4 when the socket has closed meanwhile nothing is stored", async () => {
    await using server = await startGated();
    const client = await server.connect();
    const release = server.gate.holdNext();
    client.send(request(1, "authenticate", { token: server.token() }), request(2, "echo"));
    await server.gate.whenArrived(1);
    client.socket.terminate();
    while (server.server.connections > 0) await turns(1);
    release();
    await turns();
    expect(server.authenticated).to.deep.equal([]);
    expect(server.ran).to.deep.equal([]);
    await server.login();
    expect(server.authenticated).to.deep.equal(["user-1"]);
  });

  it("2.4 when the socket has closed meanwhile its token counts as refused for no address; one that is refused does", async () => {
    await using server = await startGated({ authFailuresPerAddress: 1 });
    for (let n = 0; n < 3; n++) {
      const client = await server.connect();
      const { arrived } = server.gate;
      const release = server.gate.holdNext();
      client.send(
        request(1, "authenticate", { token: server.token() }),
        request(2, "authenticate", { token: "none" }),
      );
      await server.gate.whenArrived(arrived + 1);
      client.socket.terminate();
      while (server.server.connections > 0) await turns(1);
      release();
      await turns();
    }
    const last = await server.connect();
    expectError(await ask(last, "authenticate", { token: "none" }), "token_invalid");
    const refused = await server.connect().catch((error: Error) => error.message);
    expect(refused).to.include("429");
  });

  it("2.4 a token that expires or is revoked meanwhile is not put in force", async () => {
    await using server = await startGated();
    const token = server.token({ jti: "t1", exp: server.seconds() + 10 });
    const tries = [
      { pass: () => server.clock.advance(10_000), method: "authenticate", code: -32002 },
      {
        pass: () => void server.server.revoke({ jti: "t2" }),
        method: "authenticate",
        code: -32005,
      },
      { pass: () => void server.server.revoke({ jti: "t3" }), method: "refresh", code: -32005 },
    ] as const;
    for (const [index, { pass, method, code }] of tries.entries()) {
      const client = method === "refresh" ? await server.login() : await server.connect();
      const { arrived } = server.gate;
      const release = server.gate.holdNext();
      client.send(
        request("late", method, {
          token: index === 0 ? token : server.token({ jti: `t${index + 1}` }),
        }),
      );
      await server.gate.whenArrived(arrived + 1);
      pass();
      release();
      const answer = await client.next<Frame>();
      expect(answer.id).to.equal("late");
      expect(answer.error?.code, method).to.equal(code);
      expect(await resultOf(client, "whoami")).to.include({
        state: method === "refresh" ? "active" : "open",
      });
    }
  });

  it("2.5 authenticate and the first calls may be sent together without waiting", async () => {
    await using server = await startGated();
    const client = await server.connect();
    client.send(
      request(1, "authenticate", { token: server.token({ scope: "read" }) }),
      request(2, "read"),
      [request(3, "who")],
      request(4, "ping"),
    );
    const frames = await nextFrames(client, 4);
    expect(frames[0]).to.include({ id: 1 }).and.have.nested.property("result.subject", "user-1");
    const rest = frames.slice(1).flat() as Frame[];
    expect(rest.find(({ id }) => id === 2)?.result).to.equal("read");
    expect(rest.find(({ id }) => id === 3)?.result).to.deep.equal({
      subject: "user-1",
      scopes: ["read"],
    });
    expect(rest.find(({ id }) => id === 4)?.result).to.equal("pong");
  });

  it("2.5 frames received meanwhile are judged by the outcome, also when it is a failure", async () => {
    await using server = await startGated();
    const client = await server.connect();
    client.send(
      request(1, "authenticate", { token: server.token({ aud: "other" }) }),
      request(2, "echo"),
      notification("echo"),
      request(3, "time.now"),
    );
    const [first, second, third] = await nextFrames(client, 3);
    expectError(first, "token_invalid");
    expectError(second, "unauthenticated");
    expect(third).to.include({ id: 3, result: "nobody" });
    expect(server.ran).to.deep.equal([]);
  });

  it("2.5 frames received meanwhile run in order, and nothing is answered before the outcome", async () => {
    await using server = await startGated();
    const client = await server.connect();
    const release = server.gate.holdNext();
    client.send(request(0, "authenticate", { token: server.token() }));
    for (let id = 1; id <= 15; id++) client.send(request(id, "ping", [id]));
    await server.gate.whenArrived(1);
    await turns();
    expect(client.queued).to.deep.equal([]);
    release();
    expect((await nextFrames(client, 16)).map(({ id }) => id)).to.deep.equal(
      Array.from({ length: 16 }, (_, id) => id),
    );
  });

  it("2.5 at most 16 frames wait; the next ones are refused, and the connection stays", async () => {
    await using server = await startGated();
    const client = await server.connect();
    const release = server.gate.holdNext();
    client.send(request(0, "authenticate", { token: server.token() }));
    for (let id = 1; id <= 17; id++) client.send(request(id, "ping"));
    client.send(
      notification("echo"),
      [request(18, "echo"), notification("echo"), request(19, "echo"), 1],
      [notification("echo")],
    );
    const [seventeenth, batch] = [await client.next<Frame>(), await client.next<Frame[]>()];
    for (const refused of [seventeenth, ...batch])
      expectError(refused, "rate_limited", { retryAfter: 1 });
    expect([seventeenth, ...batch].map(({ id }) => id)).to.deep.equal([17, 18, 19, null]);
    expect(
      client.queued,
      "nothing for notifications, nor before the outcome for the others",
    ).to.deep.equal([]);
    release();
    expect((await nextFrames(client, 17)).map(({ id }) => id)).to.deep.equal(
      Array.from({ length: 17 }, (_, id) => id),
    );
    expect(server.ran, "not executed").to.deep.equal([]);
    expect(await resultOf(client, "whoami")).to.include({ state: "active" });
    expect((await ask(client, "echo", [1])).result, "and later ones run").to.deep.equal([1]);
  });

  it("2.5 at most 64 KiB wait; what is too much is refused, and what fits still waits", async () => {
    await using server = await startGated();
    const client = await server.connect();
    const release = server.gate.holdNext();
    client.send(request(0, "authenticate", { token: server.token() }));
    for (let id = 1; id <= 5; id++) client.send(request(id, "ping", ["x".repeat(16_000)]));
    client.send(request(6, "ping"));
    expectError(await client.next<Frame>(), "rate_limited");
    release();
    expect((await nextFrames(client, 6)).map(({ id }) => id)).to.deep.equal([0, 1, 2, 3, 4, 6]);
  });

  it("2.5 auth methods among them are refused, too, in a notice when they had no id", async () => {
    await using server = await startGated();
    const client = await server.connect();
    const release = server.gate.holdNext();
    client.send(request(0, "authenticate", { token: server.token() }));
    for (let id = 1; id <= 16; id++) client.send(request(id, "ping"));
    client.send(request(17, "logout"), notification("logout"));
    expectError(await client.next<Frame>(), "rate_limited");
    expect(await told(client, "auth.notice")).to.deep.include({ method: "logout", ok: false });
    release();
    expect(await nextFrames(client, 17)).to.have.length(17);
    expect(await resultOf(client, "whoami")).to.include({ state: "active" });
  });

  it("2.5 the same behind a refresh in EXPIRED", async () => {
    await using server = await startGated();
    const client = await server.login();
    server.clock.advance(900_000);
    await leftovers(client);
    const release = server.gate.holdNext();
    client.send(request(0, "refresh", { token: server.token() }));
    for (let id = 1; id <= 20; id++) client.send(request(id, "echo", [id]));
    for (let id = 17; id <= 20; id++) {
      const refused = await client.next<Frame>();
      expectError(refused, "rate_limited");
      expect(refused.id).to.equal(id);
    }
    release();
    expect((await nextFrames(client, 17)).map(({ id }) => id)).to.deep.equal(
      Array.from({ length: 17 }, (_, id) => id),
    );
  });

  it("2.5 in ACTIVE a pending refresh blocks nobody", async () => {
    await using server = await startGated();
    const client = await server.login();
    const release = server.gate.holdNext();
    server.clock.advance(1_000);
    client.send(request("refresh", "refresh", { token: server.token() }));
    await server.gate.whenArrived(2);
    expect(await exchange(client, request(1, "echo", [1]))).to.deep.equal([
      { jsonrpc: "2.0", id: 1, result: [1] },
    ]);
    release();
    expect(await client.next<Frame>())
      .to.include({ id: "refresh" })
      .and.have.nested.property("result.changed", true);
  });

  it("2.5 in EXPIRED requests received after a pending refresh wait for it", async () => {
    await using server = await startGated();
    const client = await server.login();
    server.clock.advance(900_000);
    await leftovers(client);
    const release = server.gate.holdNext();
    client.send(
      request("refresh", "refresh", { token: server.token() }),
      request(1, "echo", [1]),
      request(2, "ping"),
    );
    await server.gate.whenArrived(2);
    await turns();
    expect(client.queued).to.deep.equal([]);
    release();
    const frames = await nextFrames(client, 3);
    expect(frames.map(({ id }) => id)).to.have.members(["refresh", 1, 2]);
    expect(frames[0]?.id).to.equal("refresh");
    expect(frames.find(({ id }) => id === 1)?.result).to.deep.equal([1]);
  });

  it("2.5 in EXPIRED requests behind a refresh that fails are -32002", async () => {
    await using server = await startGated();
    const client = await server.login();
    server.clock.advance(900_000);
    await leftovers(client);
    client.send(
      request("refresh", "refresh", { token: server.token({ sub: "user-2" }) }),
      request(1, "echo", [1]),
    );
    const [first, second] = await nextFrames(client, 2);
    expectError(first, "subject_mismatch");
    expectError(second, "token_expired", { context: "session" });
    expect(server.ran).to.deep.equal([]);
  });

  it("2.5 grace is not extended by a pending refresh", async () => {
    await using server = await startGated();
    const client = await server.login();
    server.clock.advance(900_000);
    await leftovers(client);
    const release = server.gate.holdNext();
    client.send(request("refresh", "refresh", { token: server.token() }));
    await server.gate.whenArrived(2);
    server.clock.advance(30_000);
    release();
    expect(
      (await expectClose(client, "token_expired")).before.some(
        ({ result }) => result !== undefined,
      ),
    ).to.equal(false);
  });

  it("2.6 auth calls are applied one at a time, in the order received: the second sees what the first left", async () => {
    await using server = await startGated();
    const client = await server.connect();
    const release = server.gate.holdNext();
    client.send(
      request(1, "authenticate", { token: server.token() }),
      request(2, "authenticate", { token: server.token({ sub: "user-2" }) }),
    );
    await server.gate.whenArrived(1);
    await turns();
    expect(server.gate.arrived, "the second is not verified yet").to.equal(1);
    release();
    const [first, second] = await nextFrames(client, 2);
    expect(first).to.include({ id: 1 }).and.have.nested.property("result.subject", "user-1");
    expectError(second, "subject_mismatch", { claim: "sub" });
    expect(await resultOf(client, "whoami")).to.include({ subject: "user-1" });
  });

  it("2.6 a logout behind an authenticate that is being verified waits for it", async () => {
    await using server = await startGated();
    const client = await server.connect();
    const release = server.gate.holdNext();
    client.send(
      request(1, "authenticate", { token: server.token() }),
      request(2, "logout"),
      request(3, "echo"),
    );
    await server.gate.whenArrived(1);
    release();
    const [first, second, third] = await nextFrames(client, 3);
    expect(first).to.have.nested.property("result.subject", "user-1");
    expect(second).to.deep.equal({ jsonrpc: "2.0", id: 2, result: { ok: true } });
    expectError(third, "unauthenticated");
  });

  it("2.6 several refreshes sent behind an authenticate run one at a time, and are answered in order", async () => {
    const keys = createTestKeys();
    const running: string[] = [];
    const overlaps: string[][] = [];
    const now = 1_790_000_000;
    const renew = async (refreshToken: string): Promise<RenewedTokens> => {
      running.push(refreshToken);
      overlaps.push([...running]);
      await turns(refreshToken === "first" ? 30 : 1);
      running.splice(running.indexOf(refreshToken), 1);
      return {
        token: signToken(keys, { iat: now, jti: refreshToken }),
        refreshToken: `after-${refreshToken}`,
      };
    };
    const auth = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk, renew };
    await using server = await startTimed(protocolApp().app, { auth });
    const client = await server.connect();
    client.send(request(0, "authenticate", { token: signToken(keys, { iat: now }) }));
    for (const refreshToken of ["first", "second", "third"])
      client.send(request(refreshToken, "refresh", { refreshToken }));
    expect((await nextFrames(client, 4)).map(({ id }) => id)).to.deep.equal([
      0,
      "first",
      "second",
      "third",
    ]);
    expect(overlaps).to.deep.equal([["first"], ["second"], ["third"]]);
    expect((await ask(client, "ping")).result).to.equal("pong");
  });
});
