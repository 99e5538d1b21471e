import { expect } from "chai";
import { describe, it } from "mocha";
import { expectClose } from "../helpers/server/expected.js";
import { ask, leftovers, resultOf, told } from "../helpers/server/frames.js";
import { protocolApp } from "../helpers/server/protocol-app.js";
import { startTimed, type TimedServer } from "../helpers/server/timed-server.js";

const start = (limits = {}) => startTimed(protocolApp().app, { limits });

const methodsOf = (frames: readonly { method?: string }[]) => frames.map(({ method }) => method);

/** A client whose token is good for so many seconds. */
async function loginFor(server: TimedServer, left: number) {
  return server.login({ exp: server.seconds() + left });
}

describe("Protocol §7, server notifications about the connection", () => {
  it("auth.required comes in OPEN after 5 s without any frame, once, with the line to type", async () => {
    await using server = await start();
    const client = await server.connect();
    server.clock.advance(4_999);
    // no frame may be sent here to see that nothing has come
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(client.queued).to.deep.equal([]);
    server.clock.advance(1);
    const params = await told(client, "auth.required");
    expect(params).to.have.all.keys("within", "hint");
    expect(params.within).to.equal(25);
    const typed = JSON.parse(String(params.hint).match(/\{.*\}/)?.[0] ?? "null");
    expect(typed).to.deep.include({ jsonrpc: "2.0", method: "authenticate" });
    expect(typed.params).to.have.property("token");
    server.clock.advance(24_999);
    expect(await leftovers(client)).to.deep.equal([]);
  });

  it("auth.required says how much of another auth deadline is left", async () => {
    await using server = await start({ authDeadline: 12_000 });
    const client = await server.connect();
    server.clock.advance(5_000);
    expect(await told(client, "auth.required")).to.include({ within: 7 });
  });

  it("auth.required comes no more once a frame has come, whatever the frame", async () => {
    await using server = await start();
    const client = await server.connect();
    client.send("no JSON");
    expect(await client.next()).to.have.nested.property("error.code", -32700);
    server.clock.advance(29_000);
    expect(await leftovers(client)).to.deep.equal([]);
  });

  it("auth.required never comes to a program, which sends a frame at once", async () => {
    await using server = await start();
    const open = await server.connect();
    expect((await ask(open, "ping")).result).to.equal("pong");
    const active = await server.login();
    server.clock.advance(5_000);
    expect(await leftovers(open)).to.deep.equal([]);
    expect(await leftovers(active)).to.deep.equal([]);
  });

  for (const [left, lead] of [
    [900, 60],
    [301, 60],
    [300, 60],
    [200, 40],
    [100, 20],
    [25, 5],
    [20, 5],
    [10, 5],
  ] as const) {
    it(`auth.expiring comes ${lead} s before exp, once, when ${left} s were left`, async () => {
      await using server = await start();
      const client = await loginFor(server, left);
      server.clock.advance((left - lead) * 1_000 - 1);
      expect(await leftovers(client)).to.deep.equal([]);
      server.clock.advance(1);
      const params = await told(client, "auth.expiring");
      expect(params).to.have.all.keys("expiresIn", "hint");
      expect(params.expiresIn).to.equal(lead);
      expect(params.hint).to.include("refresh");
      server.clock.advance(lead * 1_000 - 1);
      expect(await leftovers(client)).to.deep.equal([]);
      server.clock.advance(1);
      expect(methodsOf(await leftovers(client))).to.deep.equal(["auth.expired"]);
    });
  }

  for (const left of [9, 5, 1]) {
    it(`auth.expiring does not come when ${left} s were left`, async () => {
      await using server = await start();
      const client = await loginFor(server, left);
      server.clock.advance(left * 1_000 - 1);
      expect(await leftovers(client)).to.deep.equal([]);
      server.clock.advance(1);
      expect(methodsOf(await leftovers(client))).to.deep.equal(["auth.expired"]);
    });
  }

  it("auth.expiring comes once per token: a refresh before it moves it, a refresh after it brings another", async () => {
    await using server = await start();
    const client = await server.login();
    server.clock.advance(800_000);
    await resultOf(client, "refresh", { token: server.token() });
    server.clock.advance(839_999);
    expect(await leftovers(client)).to.deep.equal([]);
    server.clock.advance(1);
    expect(await told(client, "auth.expiring")).to.include({ expiresIn: 60 });
    await resultOf(client, "refresh", { token: server.token() });
    server.clock.advance(840_000);
    expect(await told(client, "auth.expiring")).to.include({ expiresIn: 60 });
  });

  it("a refresh that changes nothing brings no second auth.expiring", async () => {
    await using server = await start();
    const token = server.token();
    const client = await server.connect();
    await client.authenticate(token);
    server.clock.advance(840_000);
    await told(client, "auth.expiring");
    expect(await resultOf(client, "refresh", { token })).to.include({ changed: false });
    server.clock.advance(59_999);
    expect(await leftovers(client)).to.deep.equal([]);
  });

  it("auth.expired comes at exp, and says when the connection will be closed", async () => {
    for (const [grace, closeIn] of [
      [30_000, 30],
      [5_000, 5],
    ] as const) {
      await using server = await start({ grace });
      const client = await loginFor(server, 5);
      server.clock.advance(4_999);
      expect(await leftovers(client)).to.deep.equal([]);
      server.clock.advance(1);
      const params = await told(client, "auth.expired");
      expect(params).to.have.all.keys("closeIn", "hint");
      expect(params.closeIn).to.equal(closeIn);
      server.clock.advance(grace - 1);
      expect((await ask(client, "ping")).result).to.equal("pong");
      server.clock.advance(1);
      await expectClose(client, "token_expired");
    }
  });

  it("auth.expired comes before the -32002 of the request that found the session expired, when the wall clock was set", async () => {
    await using server = await start();
    const client = await server.login();
    server.clock.stepWall(900_000);
    client.send({ jsonrpc: "2.0", id: 1, method: "echo" });
    await told(client, "auth.expired");
    expect(await client.next()).to.have.nested.property("error.code", -32002);
  });

  it("auth.refreshRequired comes at a revocation with a margin", async () => {
    await using server = await start();
    const client = await server.login({ jti: "t1" });
    await server.server.revoke({ jti: "t1" }, { margin: 30_000, reason: "keys leaked" });
    const params = await told(client, "auth.refreshRequired");
    expect(params).to.deep.equal({ within: 30, reason: "keys leaked" });
  });

  it("nothing is told twice, and nothing after logout", async () => {
    await using server = await start();
    const client = await loginFor(server, 100);
    await ask(client, "logout");
    server.clock.advance(29_000);
    expect(await leftovers(client)).to.deep.equal([]);
    await client.authenticate(server.token({ exp: server.seconds() + 900 }));
    server.clock.advance(100_000);
    expect(await leftovers(client), "of the first token").to.deep.equal([]);
  });
});
