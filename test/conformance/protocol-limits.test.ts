import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { describe, it } from "mocha";
import { defaultLimits } from "../../src/index.js";
import { expectClose, expectError } from "../helpers/server/expected.js";
import {
  ask,
  exchange,
  leftovers,
  notification,
  request,
  resultOf,
} from "../helpers/server/frames.js";
import { protocolApp } from "../helpers/server/protocol-app.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { startTimed } from "../helpers/server/timed-server.js";
import { upgrade } from "../helpers/server/upgrade.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";

const start = (limits = {}) => startTimed(protocolApp().app, { limits });

/** A call of `ping` that has exactly so many bytes. */
function frameOf(bytes: number): string {
  const empty = JSON.stringify(request(1, "ping", [""]));
  return JSON.stringify(request(1, "ping", ["x".repeat(bytes - empty.length)]));
}

/** An object with so many members. */
function keyed(members: number): object {
  return Object.fromEntries(Array.from({ length: members }, (_, n) => [`k${n}`, n]));
}

async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe("Protocol §9, limits and their defaults", () => {
  it("each is an option with this default", () => {
    expect(defaultLimits).to.deep.include({
      authDeadline: 30_000,
      failedAuthCalls: 5,
      openFrameBytes: 16_384,
      frameBytes: 65_536,
      fragments: 64,
      responseBytes: 1_048_576,
      jsonDepth: 64,
      batchLength: 50,
      requestsInFlight: 64,
      requestTimeout: 30_000,
      unauthenticatedConnectionsPerAddress: 20,
      unauthenticatedConnections: 1_000,
      connectionsPerSubject: Number.POSITIVE_INFINITY,
      sendBufferBytes: 1_048_576,
      sendBufferHardBytes: 8_388_608,
      pingInterval: 25_000,
      pongTimeout: 10_000,
      grace: 30_000,
      openFramesPerSecond: 20,
      framesPerSecond: Number.POSITIVE_INFINITY,
      sessionLifetime: Number.POSITIVE_INFINITY,
      authFailuresPerAddress: 100,
    });
  });

  it("a frame has at most 16 KiB in OPEN; the close names the option that raises it", async () => {
    await using server = await start();
    const client = await server.connect();
    expect(await exchange(client, frameOf(16_384))).to.have.nested.property("[0].result");
    client.send(frameOf(16_385));
    const { params } = await expectClose(client, "too_big");
    expect(params.hint).to.include("openFrameBytes").and.include("16384");
  });

  it("a frame has at most 64 KiB after authentication; the close names the option that raises it", async () => {
    await using server = await start();
    const client = await server.login();
    expect(await exchange(client, frameOf(65_536))).to.have.nested.property("[0].result");
    client.send(frameOf(65_537));
    const { params } = await expectClose(client, "too_big");
    expect(params.hint)
      .to.match(/\bframeBytes/)
      .and.include("65536");
  });

  it("a frame of any size over it is told of before the close, behind the answers to what came before it, and is not waited for", async () => {
    await using server = await start();
    for (const size of [65_537, 131_072, 131_073, 10_000_000]) {
      const client = await server.login();
      client.send(request("before", "ping"), frameOf(size));
      const { before, params } = await expectClose(client, "too_big");
      expect(before.map(({ id }) => id)).to.deep.equal(["before"]);
      expect(params.hint)
        .to.match(/\bframeBytes/)
        .and.include("65536");
    }
    expect((await ask(await server.login(), "ping")).result).to.equal("pong");
    const open = await server.connect();
    open.send(frameOf(200_000));
    await expectClose(open, "too_big");
  });

  it("sizes are bytes, not characters", async () => {
    await using server = await start();
    const client = await server.connect();
    client.send(request(1, "ping", ["€".repeat(6_000)]));
    await expectClose(client, "too_big");
  });

  for (const [limit, good, bad] of [
    ["jsonValues", Array(9_990).fill(1), Array(10_000).fill(1)],
    ["objectMembers", { a: keyed(1_000) }, { a: keyed(1_001) }],
    ["stringBytes", ["x".repeat(3_000)], ["x".repeat(3_001)]],
    ["stringBytes", ["€".repeat(1_000)], ["€".repeat(1_001)]],
  ] as const) {
    it(`JSON over the limit of ${limit} is -32600 that names it, and changes neither connection nor session; at the limit it is taken`, async () => {
      await using server = await start(limit === "stringBytes" ? { stringBytes: 3_000 } : {});
      const client = await server.login();
      expect(
        await exchange(client, JSON.stringify(request(1, "ping", good))),
      ).to.have.nested.property("[0].result");
      for (let n = 0; n < 25; n++) {
        const [answer] = await exchange(client, JSON.stringify(request(1, "ping", bad)));
        expect(answer).to.deep.include({ id: null }).and.have.nested.property("error.code", -32600);
        expect(answer?.error?.data?.hint).to.include(`limits.${limit}`);
      }
      expect(await resultOf(client, "whoami")).to.include({ state: "active" });
    });
  }

  it("a message has at most 64 fragments", async () => {
    await using server = await start();
    const send = (client: RawClient, fragments: number): void => {
      const text = frameOf(200);
      const parts = Array.from({ length: fragments }, (_, n) =>
        n === fragments - 1 ? text.slice(n) : text.slice(n, n + 1),
      );
      parts.forEach((part, n) => void client.socket.send(part, { fin: n === fragments - 1 }));
    };
    const client = await server.login();
    send(client, 64);
    expect(await client.next()).to.include({ id: 1 });
    send(client, 65);
    expect((await client.closed).code).to.equal(1008);
    expect(client.queued, "no connection.closing").to.deep.equal([]);
    expect((await ask(await server.login(), "ping")).result).to.equal("pong");
  });

  it("one address has at most 20 sockets in OPEN: the next upgrade is HTTP 429", async () => {
    await using server = await start();
    const open = await Promise.all(Array.from({ length: 20 }, () => server.connect()));
    expect((await upgrade(server.url)).status).to.equal(429);
    const [first, second] = open;
    expect(await first?.authenticate(server.token())).to.have.property("result");
    expect((await upgrade(server.url)).status, "one has authenticated").to.equal(101);
    await turns();
    await second?.close();
    await turns();
    const more = [await server.connect(), await server.connect()];
    expect((await upgrade(server.url)).status, "20 again").to.equal(429);
    await more[0]?.close();
    await turns();
    if (first !== undefined) await ask(first, "logout");
    expect((await upgrade(server.url)).status, "a logout is back in OPEN").to.equal(429);
  });

  it("the server has at most so many sockets in OPEN: the next upgrade is HTTP 503", async () => {
    await using server = await start({
      unauthenticatedConnections: 3,
      unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY,
    });
    const open = [await server.connect(), await server.connect(), await server.connect()];
    expect((await upgrade(server.url)).status).to.equal(503);
    await open[0]?.authenticate(server.token());
    expect((await upgrade(server.url)).status).to.equal(101);
  });

  it("after 100 failed authenticate calls of one address in a minute its upgrades are HTTP 429", async () => {
    await using server = await start();
    for (let round = 0; round < 20; round++) {
      const client = await server.connect();
      for (let n = 0; n < 5; n++) client.send(request(n, "authenticate", { token: "a.b.c" }));
      await expectClose(client, "too_many_attempts");
      if (round === 18) expect((await upgrade(server.url)).status, "95 failures").to.equal(101);
    }
    expect((await upgrade(server.url)).status).to.equal(429);
    server.clock.advance(60_000);
    expect((await upgrade(server.url)).status, "a minute later").to.equal(101);
  });

  it("there is no limit of connections per subject by default", async () => {
    await using server = await start();
    const clients = [];
    for (let n = 0; n < 30; n++) clients.push(await server.login());
    for (const client of clients)
      expect(await resultOf(client, "whoami")).to.include({ state: "active" });
  });

  it("the longest session has no cap by default; with one, no refresh extends it", async () => {
    for (const [sessionLifetime, isCapped] of [
      [Number.POSITIVE_INFINITY, false],
      [100_000, true],
    ] as const) {
      await using server = await start({ sessionLifetime });
      const client = await server.login();
      server.clock.advance(90_000);
      expect(await resultOf(client, "refresh", { token: server.token() })).to.include({
        changed: true,
      });
      server.clock.advance(9_999);
      expect(await resultOf(client, "whoami")).to.include({ state: "active" });
      server.clock.advance(1);
      if (isCapped) {
        const { before } = await expectClose(client, "token_expired");
        expect(
          before.map(({ method }) => method),
          "there is no grace to tell of",
        ).to.not.include("auth.expired");
      } else expect(await resultOf(client, "whoami")).to.include({ state: "active" });
    }
  });

  it("a cap on the session ends the grace, too", async () => {
    for (const [sessionLifetime, isCapped] of [
      [100_000, true],
      [200_000, false],
    ] as const) {
      await using server = await start({ sessionLifetime });
      const client = await server.login({ exp: server.seconds() + 90 });
      server.clock.advance(90_000);
      await leftovers(client);
      server.clock.advance(9_999);
      expect(await resultOf(client, "whoami")).to.include({ state: "expired" });
      server.clock.advance(1);
      if (isCapped) await expectClose(client, "token_expired");
      else expect(await resultOf(client, "whoami")).to.include({ state: "expired" });
    }
  });

  it("with a cap on the session, expiresIn and refreshIn are of the seconds that are really left", async () => {
    await using server = await start({ sessionLifetime: 100_000 });
    const client = await server.connect();
    const { expiresIn, refreshIn } = await resultOf(client, "authenticate", {
      token: server.token(),
    });
    expect(expiresIn).to.be.at.most(100);
    expect(refreshIn).to.be.at.most(85);
    server.clock.advance(40_000);
    expect((await resultOf(client, "whoami")).expiresIn).to.be.at.most(60);
  });

  it("nbf and iat have a leeway of 30 s for another issuer's tokens, and exp has none", async () => {
    await using server = await start({ failedAuthCalls: Number.POSITIVE_INFINITY });
    const now = server.seconds();
    for (const claims of [{ iat: now + 30 }, { nbf: now + 30 }]) {
      expect(
        await resultOf(await server.connect(), "authenticate", { token: server.token(claims) }),
      ).to.include({ subject: "user-1" });
    }
    for (const claims of [{ iat: now + 31 }, { nbf: now + 31 }]) {
      expectError(
        await ask(await server.connect(), "authenticate", { token: server.token(claims) }),
        "token_invalid",
      );
    }
    const over = server.token({ iat: now - 10, exp: now });
    expectError(
      await ask(await server.connect(), "authenticate", { token: over }),
      "token_expired",
      {
        context: "presented",
        action: "newToken",
      },
    );
  });
});

describe("Protocol §9, the heartbeat", () => {
  it("the server pings every 25 s, and a peer that answers lives on", async () => {
    await using server = await start({ pingInterval: 25_000 });
    const client = await server.login();
    let pings = 0;
    client.socket.on("ping", () => pings++);
    for (let round = 1; round <= 3; round++) {
      const pinged = once(client.socket, "ping");
      server.clock.advance(25_000);
      await pinged;
      await turns();
      expect(pings).to.equal(round);
    }
    server.clock.advance(20_000);
    expect(await resultOf(client, "whoami")).to.include({ state: "active" });
  });

  it("a peer that does not answer is dead after 10 s more", async () => {
    await using server = await start({ pingInterval: 25_000 });
    const client = await RawClient.connect(server.url, { autoPong: false });
    await client.authenticate(server.token());
    const pinged = once(client.socket, "ping");
    server.clock.advance(25_000);
    await pinged;
    server.clock.advance(9_000);
    await turns();
    expect(client.socket.readyState).to.equal(client.socket.OPEN);
    server.clock.advance(2_000);
    expect(await client.closed).to.include({ code: 1006 });
  });

  it("any frame is a sign of life", async () => {
    await using server = await start({ pingInterval: 25_000 });
    const client = await RawClient.connect(server.url, { autoPong: false });
    await client.authenticate(server.token());
    for (let round = 0; round < 3; round++) {
      const pinged = once(client.socket, "ping");
      server.clock.advance(25_000);
      await pinged;
      expect((await ask(client, "ping")).result).to.equal("pong");
    }
  });
});

describe("Protocol §9, frames per second", () => {
  const openLimits = { openFramesPerSecond: 20, authDeadline: Number.POSITIVE_INFINITY };

  it("in OPEN there are at most 20; over it -32029, and notifications are silent", async () => {
    await using server = await start(openLimits);
    const client = await server.connect();
    for (let n = 0; n < 20; n++) expect((await ask(client, "ping")).result).to.equal("pong");
    const refused = await ask(client, "time.now");
    expectError(refused, "rate_limited");
    expect(refused.error?.data?.retryAfter).to.be.above(0);
    client.send(notification("ping"), request("last", "ping"));
    const last = await client.next();
    expect(last.id).to.equal("last");
    server.clock.advance(1_000);
    expect((await ask(client, "ping")).result).to.equal("pong");
  });

  it("as many again are refused in words; then no more is read in that second, and all of it in the next ones", async () => {
    await using server = await start(openLimits);
    const client = await server.connect();
    client.send(...Array.from({ length: 100 }, (_, n) => request(n, "ping")));
    const outcomes = [];
    for (let n = 0; n < 40; n++) outcomes.push((await client.next()).error?.code);
    expect(outcomes).to.deep.equal([...Array(20).fill(undefined), ...Array(20).fill(-32029)]);
    expect((await ask(await server.connect(), "ping")).result, "another connection").to.equal(
      "pong",
    );
    expect(client.queued).to.deep.equal([]);
    for (const passed of [1, 2]) {
      server.clock.advance(1_000);
      for (let n = 0; n < (passed === 1 ? 40 : 20); n++)
        expect((await client.next()).id).to.equal(passed * 40 + n);
    }
    server.clock.advance(1_000);
    expect((await ask(client, "ping")).result).to.equal("pong");
  });

  it("large frames over it are not even decoded before the second is over, but at once when the peer has authenticated", async () => {
    await using server = await start({ ...openLimits, openFramesPerSecond: 3 });
    const token = server.token();
    for (const authenticates of [false, true]) {
      const client = await server.connect();
      const large = request("large", "ping", ["x".repeat(2_000)]);
      client.send(request(1, "ping"), request(2, "ping"));
      client.send(
        authenticates ? request(3, "authenticate", { token }) : request(3, "ping"),
        large,
        large,
      );
      for (let n = 1; n <= 3; n++) expect(await client.next()).to.include({ id: n });
      if (!authenticates) {
        expect((await ask(await server.connect(), "ping")).result, "another connection").to.equal(
          "pong",
        );
        expect(client.queued).to.deep.equal([]);
        server.clock.advance(1_000);
      }
      for (let n = 0; n < 2; n++)
        expect(await client.next())
          .to.include({ id: "large" })
          .and.have.property("result");
    }
  });

  it("after 10 s of it the connection is closed 4429, and not before", async () => {
    await using server = await start(openLimits);
    const client = await server.connect();
    const second = async (): Promise<void> => {
      for (let n = 0; n < 20; n++) await ask(client, "ping");
    };
    for (let passed = 0; passed < 10; passed++) {
      await second();
      expectError(await ask(client, "ping"), "rate_limited");
      server.clock.advance(1_000);
    }
    client.send(...Array.from({ length: 45 }, (_, n) => request(n, "ping")));
    server.clock.advance(500);
    await expectClose(client, "too_many_requests");
  });

  it("after 10 s of it in batches, too", async () => {
    await using server = await start(openLimits);
    const client = await server.connect();
    const pair = [request(1, "ping"), request(2, "ping")];
    for (let passed = 0; passed < 10; passed++) {
      client.send(...Array.from({ length: 11 }, () => pair));
      // by now they were judged
      expect(await resultOf(await server.connect(), "whoami")).to.include({ state: "open" });
      expect(client.socket.readyState).to.equal(client.socket.OPEN);
      server.clock.advance(1_000);
    }
    client.send(...Array.from({ length: 11 }, () => pair));
    server.clock.advance(500);
    await expectClose(client, "too_many_requests");
  });

  it("a pause of one second forgives", async () => {
    await using server = await start(openLimits);
    const client = await server.connect();
    for (let passed = 0; passed < 15; passed++) {
      const frames = passed === 7 ? 1 : 21;
      for (let n = 0; n < frames; n++) await ask(client, "ping");
      server.clock.advance(1_000);
    }
    expect(await resultOf(client, "whoami")).to.include({ state: "open" });
  });

  it("after authentication there is no limit unless configured", async () => {
    await using server = await start(openLimits);
    const client = await server.login();
    const answers = await exchange(
      client,
      ...Array.from({ length: 200 }, (_, id) => request(id, "ping")),
    );
    expect(answers.every(({ error }) => error === undefined)).to.equal(true);
    await using limited = await start({ framesPerSecond: 2 });
    const other = await limited.login();
    limited.clock.advance(1_000);
    other.send(...[1, 2, 3].map((id) => request(id, "ping")));
    const codes = [await other.next(), await other.next(), await other.next()].map(
      ({ error }) => error?.code,
    );
    expect(codes).to.deep.equal([undefined, undefined, -32029]);
  });
});

describe("Protocol §9, the key set", () => {
  async function serveKeys(keys: () => readonly object[]) {
    let fetches = 0;
    const http: Server = createServer((_request, response) => {
      fetches++;
      response
        .writeHead(200, { "Content-Type": "application/json" })
        .end(JSON.stringify({ keys: keys() }));
    });
    await once(http.listen(0, "127.0.0.1"), "listening");
    const { port } = http.address() as AddressInfo;
    return {
      url: `http://127.0.0.1:${port}/jwks.json`,
      fetches: () => fetches,
      [Symbol.asyncDispose]: async () => {
        http.closeAllConnections();
        await new Promise((resolve) => http.close(resolve));
      },
    };
  }

  it("there is one fetch at a time, it is cached, and an unknown kid refetches at most every 30 s", async () => {
    const [first, second] = [createTestKeys(), createTestKeys()];
    const published: object[] = [first.publicJwk];
    await using keySet = await serveKeys(() => published);
    const auth = { issuer: "https://id.test", audience: "test", jwks: keySet.url };
    await using server = await startTimed(protocolApp().app, { auth });
    const iat = server.seconds();
    const clients = await Promise.all([1, 2, 3, 4, 5].map(() => server.connect()));
    const answers = await Promise.all(
      clients.map((client) => ask(client, "authenticate", { token: signToken(first, { iat }) })),
    );
    expect(answers.every(({ result }) => result?.subject === "user-1")).to.equal(true);
    expect(keySet.fetches(), "one for all five").to.equal(1);
    server.clock.advance(30_000);
    const tryUnknown = async () =>
      ask(await server.connect(), "authenticate", { token: signToken(createTestKeys(), { iat }) });
    expectError(await tryUnknown(), "token_invalid");
    for (let n = 0; n < 3; n++)
      expectError(await tryUnknown(), "auth_unavailable", { retryAfter: 30 });
    expect(keySet.fetches(), "one for all unknown kids").to.equal(2);
    published.push(second.publicJwk);
    expectError(
      await ask(await server.connect(), "authenticate", { token: signToken(second, { iat }) }),
      "auth_unavailable",
      {
        retryAfter: 30,
      },
    );
    server.clock.advance(30_000);
    const client = await server.connect();
    expect(
      await resultOf(client, "authenticate", { token: signToken(second, { iat }) }),
    ).to.include({ subject: "user-1" });
    expect(keySet.fetches()).to.equal(3);
    expect(await leftovers(client)).to.deep.equal([]);
  });
});
