import { expect } from "chai";
import type { SessionList } from "../../../src/index.js";
import { memoryStore } from "../../../src/issuer/index.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { expectClose, expectError } from "../../helpers/server/expected.js";
import { ask } from "../../helpers/server/frames.js";
import { TestBus } from "../../helpers/server/test-bus.js";
import {
  sampleApp,
  startServer,
  type TestServer,
  type TestServerOptions,
} from "../../helpers/server/test-server.js";

const admin = { admin: "ops" };
const asAdmin = { sub: "root", scope: "ops" };
const start = (options: TestServerOptions = admin) => startServer(sampleApp(), options);

describe("server.sessions", () => {
  it("tells of every connection who it is, since when, from where and what it does", async () => {
    const clock = new ManualClock();
    await using server = await start({ clock });
    const since = clock.now();
    const client = await server.login({ sub: "ada", sid: "s1" });
    await server.connect();
    clock.advance(10_000);
    client.send({ jsonrpc: "2.0", id: "slow", method: "wait" });
    await client.call("ping");
    const { sessions, ...rest } = await server.server.sessions();
    expect(rest).to.deep.equal({ total: 2, nodes: 1, complete: true });
    const ada = sessions.find(({ subject }) => subject === "ada");
    expect(ada).to.deep.include({
      state: "active",
      issuer: "https://id.test",
      sessionId: "s1",
      address: "127.0.0.1",
      since,
      expiresIn: 890_000,
    });
    expect(ada).to.deep.include({ calls: 3, inFlight: 1, bufferedBytes: 0 });
    const nobody = sessions.find(({ subject }) => subject === null);
    expect(nobody).to.deep.include({ state: "open", issuer: null, expiresIn: null, calls: 0 });
    expect(nobody?.node).to.equal(ada?.node);
  });

  it("shows an expired session with its subject, and none any more when it has closed", async () => {
    const clock = new ManualClock();
    await using server = await start({ clock, limits: { pingInterval: Number.POSITIVE_INFINITY } });
    const client = await server.login({ sub: "ada" });
    clock.advance(900_000);
    const { sessions } = await server.server.sessions({ subject: "ada" });
    expect(sessions[0]).to.include({ state: "expired", expiresIn: 0, subject: "ada" });
    await client.close();
    while (server.server.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    expect((await server.server.sessions()).total).to.equal(0);
  });

  it("can be narrowed and limited, and then still says how many there are", async () => {
    await using server = await start();
    for (const sub of ["ada", "bob", "ada"]) await server.login({ sub });
    const { sessions, total } = await server.server.sessions({ subject: "ada", limit: 1 });
    expect([sessions.map(({ subject }) => subject), total]).to.deep.equal([["ada"], 2]);
    const [newest] = sessions;
    expect((await server.server.sessions({ connection: newest?.id ?? "" })).total).to.equal(1);
    expect(
      (await server.server.sessions({ subject: "ada", issuer: "https://other.test" })).total,
    ).to.equal(0);
    for (const limit of [0, 1.5, 1_001])
      expect(await rejectionOf(server.server.sessions({ limit }))).to.be.instanceOf(TypeError);
  });
});

describe("server.kick", () => {
  it("closes one connection, or all of a subject, with 4403, and leaves the others alone", async () => {
    await using server = await start();
    const [first, second, other] = [
      await server.login({ sub: "ada" }),
      await server.login({ sub: "ada" }),
      await server.login({ sub: "bob" }),
    ];
    const { sessions } = await server.server.sessions({ subject: "ada" });
    expect(await server.server.kick({ connection: sessions[1]?.id ?? "" })).to.deep.equal({
      kicked: 1,
      complete: true,
    });
    await expectClose(first, "kicked");
    expect(await server.server.kick({ subject: "ada", issuer: "https://other.test" })).to.include({
      kicked: 0,
    });
    expect(await server.server.kick({ subject: "ada" })).to.include({ kicked: 1 });
    await expectClose(second, "kicked");
    expect((await other.call("ping")).result).to.equal("pong");
  });

  it("refuses a selector that names nobody or both, which would reach everybody", async () => {
    await using server = await start();
    const client = await server.login({ sub: "ada" });
    const selectors = [
      {},
      { subject: "" },
      { connection: "x", subject: "ada" },
      { connection: "x", issuer: "https://id.test" },
    ] as never[];
    for (const selector of selectors)
      expect(await rejectionOf(server.server.kick(selector))).to.be.instanceOf(TypeError);
    expect((await client.call("ping")).result).to.equal("pong");
  });
});

describe("rpc.sessions.*", () => {
  it("lists, kicks and revokes for callers with the scope that `admin` names", async () => {
    await using server = await start();
    const root = await server.login(asAdmin);
    const [ada, bob] = [await server.login({ sub: "ada" }), await server.login({ sub: "bob" })];
    const list = (await root.call("rpc.sessions.list", { limit: 2 }))
      .result as unknown as SessionList;
    expect(list).to.include({ total: 3, complete: true });
    expect(list.sessions).to.have.length(2);
    expect((await root.call("rpc.sessions.list")).result).to.have.property("total", 3);
    expect((await root.call("rpc.sessions.kick", { subject: "ada" })).result).to.deep.equal({
      kicked: 1,
      complete: true,
    });
    await expectClose(ada, "kicked");
    expect(
      (await root.call("rpc.sessions.revoke", { subject: "bob", reason: "left" })).result,
    ).to.deep.equal({ ok: true });
    await expectClose(bob, "token_revoked");
    expectError(
      await ask(await server.connect(), "authenticate", { token: server.token({ sub: "bob" }) }),
      "token_revoked",
    );
    const done = server.log
      .filter(({ fields }) => /^admin\./.test(String(fields.event)))
      .map(({ fields }) => [fields.event, fields.by]);
    expect(done).to.deep.equal([
      ["admin.kick", "root"],
      ["admin.revoke", "root"],
    ]);
  });

  it("takes the margin of a revocation in seconds, like all times on the wire", async () => {
    await using server = await start();
    const [root, ada] = [await server.login(asAdmin), await server.login({ sub: "ada" })];
    await root.call("rpc.sessions.revoke", { subject: "ada", margin: 30 });
    expect((await ada.notification("auth.refreshRequired")).params).to.deep.include({ within: 30 });
  });

  it("answers forbidden without the scope, and unauthenticated without a session", async () => {
    await using server = await start();
    const [ada, nobody] = [await server.login({ sub: "ada" }), await server.connect()];
    for (const name of ["list", "kick", "revoke"]) {
      expectError(await ask(ada, `rpc.sessions.${name}`, { subject: "ada" }), "forbidden", {
        required: ["ops"],
        missing: ["ops"],
      });
      expectError(await ask(nobody, `rpc.sessions.${name}`, { subject: "ada" }), "unauthenticated");
    }
    expect((await ada.call("ping")).result).to.equal("pong");
  });

  it("does not exist unless the option is set", async () => {
    await using server = await start({});
    const root = await server.login(asAdmin);
    for (const name of ["list", "kick", "revoke"])
      expect((await root.call(`rpc.sessions.${name}`)).error?.code).to.equal(-32601);
  });

  it("refuses params that fit nothing, with what is wrong", async () => {
    await using server = await start();
    const root = await server.login(asAdmin);
    for (const [name, params] of [
      ["list", { limit: 0 }],
      ["list", { user: "ada" }],
      ["list", ["ada"]],
      ["kick", {}],
      ["kick", { connection: "a", subject: "b" }],
      ["kick", { subject: 7 }],
      ["revoke", {}],
      ["revoke", { jti: "a", subject: "b" }],
      ["revoke", { jti: "a", issuedBefore: 1 }],
      ["revoke", { subject: "a", margin: -1 }],
    ] as const) {
      const { error } = await root.call(`rpc.sessions.${name}`, params);
      expect(error?.code, `${name} ${JSON.stringify(params)}`).to.equal(-32602);
      expect((error?.data as { issues?: unknown } | undefined)?.issues).to.have.length(1);
    }
    expect((await root.call("rpc.sessions.list")).result).to.have.property("total", 1);
  });

  it("is listed by rpc.discover for those who may call it, with its params, and for nobody else", async () => {
    await using server = await start();
    const names = async (claims: object) => {
      const { methods } = (await (await server.login({ ...claims })).call("rpc.discover"))
        .result as unknown as {
        methods: { name: string }[];
      };
      return methods.map(({ name }) => name).filter((name) => name.startsWith("rpc."));
    };
    expect(await names(asAdmin)).to.deep.equal([
      "rpc.sessions.list",
      "rpc.sessions.kick",
      "rpc.sessions.revoke",
    ]);
    expect(await names({ sub: "ada" })).to.deep.equal([]);
  });
});

describe("Several nodes on one bus", () => {
  const store = (bus: TestBus) => Object.assign(memoryStore(), { bus });
  const startOn = (bus: TestBus, options: TestServerOptions = {}) =>
    start({ ...admin, store: store(bus), ...options });
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  async function startTwo(
    bus: TestBus,
    options: TestServerOptions = {},
  ): Promise<readonly [TestServer, TestServer]> {
    const two = [await startOn(bus, options), await startOn(bus, options)] as const;
    await settled();
    return two;
  }

  it("any node lists the sessions of all, and kicks a subject wherever it is", async () => {
    const [a, b] = await startTwo(new TestBus());
    const [here, there] = [await a.login({ sub: "ada" }), await b.login({ sub: "ada" })];
    const { sessions, ...rest } = await a.server.sessions();
    expect(rest).to.deep.equal({ total: 2, nodes: 2, complete: true });
    expect(new Set(sessions.map(({ node }) => node)).size).to.equal(2);
    const root = await b.login(asAdmin);
    expect((await root.call("rpc.sessions.kick", { subject: "ada" })).result).to.deep.equal({
      kicked: 2,
      complete: true,
    });
    await Promise.all([expectClose(here, "kicked"), expectClose(there, "kicked")]);
    await Promise.all([a.close(), b.close()]);
  });

  it("a node that does not answer within a second is told as missing; one that has gone in order is not", async () => {
    const clock = new ManualClock();
    const bus = new TestBus();
    const [a, b] = await startTwo(bus, { clock });
    bus.subscribe({ event() {}, gap() {}, message() {} });
    await bus.send(JSON.stringify({ v: 1, from: "silent", type: "hello", body: null }));
    const asked = a.server.sessions();
    await settled();
    clock.advance(1_000);
    expect(await asked).to.deep.include({ nodes: 2, complete: false });
    await bus.send(JSON.stringify({ v: 1, from: "silent", type: "bye", body: null }));
    await b.close();
    await settled();
    expect(await a.server.sessions()).to.deep.include({ nodes: 1, complete: true });
    await a.close();
  });

  it("a node that was not heard for 15 s is forgotten, and one that speaks is not", async () => {
    const clock = new ManualClock();
    const bus = new TestBus();
    const [a, b] = await startTwo(bus, { clock });
    await bus.send(JSON.stringify({ v: 1, from: "killed", type: "hello", body: null }));
    for (let second = 0; second < 16; second++) {
      clock.advance(1_000);
      await settled();
    }
    expect(await a.server.sessions()).to.deep.include({ nodes: 2, complete: true });
    await Promise.all([a.close(), b.close()]);
  });

  it("without the bus a node answers for itself, and says that it is not all", async () => {
    const bus = new TestBus();
    const [a, b] = await startTwo(bus);
    await a.login({ sub: "ada" });
    bus.isBroken = true;
    expect(await a.server.sessions()).to.deep.include({ total: 1, nodes: 1, complete: false });
    expect(await a.server.kick({ subject: "ada" })).to.deep.equal({ kicked: 1, complete: false });
    await Promise.all([a.close(), b.close()]);
  });

  it("what is no message of this version is passed over, said once, and harms nothing", async () => {
    const bus = new TestBus();
    const [a, b] = await startTwo(bus);
    const ada = await a.login({ sub: "ada" });
    const ask = (subject: string, params: unknown) => ({
      v: 1,
      from: "x",
      type: "ask",
      body: { id: 1, subject, params },
    });
    const junk = [
      "",
      "{",
      "null",
      "[]",
      '{"v":1}',
      { v: 2, from: "x", type: "ask" },
      { v: 1, from: "x", type: "ask" },
      ask("kick", {}),
      ask("kick", null),
    ];
    const more = [
      ask("nothing", {}),
      { v: 1, from: "x", type: "answer", body: { to: "y", id: 1, answer: {} } },
      { v: 1, from: "x", type: "later" },
    ];
    for (const text of [...junk, ...more])
      await bus.send(typeof text === "string" ? text : JSON.stringify(text));
    await bus.send(JSON.stringify({ v: 1, from: "x", type: "bye", body: null }));
    await settled();
    const warned = a.log.filter(({ fields }) => fields.event === "node.message");
    expect(warned.map(({ level }) => level)).to.deep.equal(["warn"]);
    expect(a.log.filter(({ level }) => level === "error")).to.deep.equal([]);
    expect((await ada.call("ping")).result).to.equal("pong");
    expect(await b.server.sessions()).to.deep.include({ total: 1, nodes: 2, complete: true });
    await Promise.all([a.close(), b.close()]);
  });

  it("a store without a bus joins nobody, and nothing is sent", async () => {
    await using server = await start({ ...admin, store: memoryStore() });
    await server.login({ sub: "ada" });
    expect(await server.server.sessions()).to.deep.include({ total: 1, nodes: 1, complete: true });
  });
});
