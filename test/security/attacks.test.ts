import { request as httpRequest } from "node:http";
import { expect } from "chai";
import { z } from "zod";
import { type ConnectionHandle, createRpc, createServer, jsonLogger } from "../../src/index.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { recordingLogger, sampleApp, startServer } from "../helpers/server/test-server.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";

const now = () => Math.floor(Date.now() / 1000);

describe("what an attacker tried", () => {
  it("params of an auth call never blow up what is logged about it", async () => {
    await using server = await startServer(sampleApp());
    const client = await server.connect();
    const answer = await client.call("authenticate", ["x", ...Array<string>(60).fill("e")]);
    expect(answer.error?.code).to.equal(-32004);
    expect(Math.max(...server.log.map((line) => JSON.stringify(line).length))).to.be.lessThan(
      1_000,
    );
    expect(await client.call("ping")).to.have.property("result", "pong");
  });

  it("so many headers that the proxy's own might be dropped are refused, over HTTP and at upgrade", async () => {
    await using server = await startServer(sampleApp(), { trustProxy: ["loopback"] });
    const { port } = server.listening;
    const headers = Object.fromEntries(
      Array.from({ length: 70 }, (_, index) => [`x-filler-${index}`, "1"]),
    );
    const status = await new Promise((resolve) => {
      httpRequest({ port, path: "/livez", headers }, (response) =>
        resolve(response.resume().statusCode),
      ).end();
    });
    expect(status).to.equal(431);
    const refused = await RawClient.connect(server.url, { headers }).catch(
      (error: Error) => error.message,
    );
    expect(refused).to.match(/431/);
    expect(
      await RawClient.connect(server.url, { headers: { "x-filler": "1" } }).then((client) =>
        client.close(),
      ),
    ).to.equal(undefined);
  });

  describe("a call whose params are still being checked", () => {
    const setUp = async () => {
      const ran: string[] = [];
      let release = () => {};
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      const rpc = createRpc({ notifications: { note: z.object({ text: z.string() }) } });
      const params = z.object({ n: z.number().refine(() => gate.then(() => true)) });
      const app = rpc.router({
        slow: rpc.method({
          params,
          handler({ auth, connection }) {
            ran.push(auth.subject);
            connection.notify("note", { text: `for ${auth.subject}` });
          },
        }),
      });
      const server = await startServer(app);
      const client = await server.login({ sub: "alice", jti: "a1" });
      client.send({ jsonrpc: "2.0", id: 7, method: "slow", params: { n: 1 } });
      await client.call("ping");
      return { ran, release, server, client };
    };

    it("does not run after the session was revoked", async () => {
      const { ran, release, server, client } = await setUp();
      await server.server.revoke({ jti: "a1" });
      expect((await client.closed).code).to.equal(4401);
      release();
      await new Promise(setImmediate);
      expect(ran).to.deep.equal([]);
      await server.close();
    });

    it("does not run after it was cancelled", async () => {
      const { ran, release, server, client } = await setUp();
      client.send({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: 7 } });
      expect((await client.nextWhere(({ id }) => id === 7)).error?.code).to.equal(-32011);
      release();
      await client.call("ping");
      expect(ran).to.deep.equal([]);
      await server.close();
    });

    it("does not run, and pushes nothing to the next user, after a logout", async () => {
      const { ran, release, server, client } = await setUp();
      client.send({ jsonrpc: "2.0", id: 8, method: "logout" });
      expect((await client.nextWhere(({ id }) => id === 7)).error?.code).to.equal(-32011);
      expect((await client.authenticate(server.token({ sub: "bob" }))).error).to.equal(undefined);
      release();
      await client.call("ping");
      expect(ran).to.deep.equal([]);
      expect(client.queued).to.deep.equal([]);
      await server.close();
    });

    it("runs when nothing has happened meanwhile", async () => {
      const { ran, release, server, client } = await setUp();
      release();
      expect((await client.nextWhere(({ id }) => id === 7)).error).to.equal(undefined);
      expect(ran).to.deep.equal(["alice"]);
      await server.close();
    });
  });

  it("a handle that a hook has kept of one user reaches nobody else", async () => {
    const handles = new Map<string, ConnectionHandle>();
    await using server = await startServer(sampleApp(), {
      hooks: { authenticated: (connection, { subject }) => handles.set(subject, connection) },
    });
    const client = await server.login({ sub: "alice" });
    handles.get("alice")?.notify("numbers.changed" as never, { sum: 1 } as never);
    expect((await client.notification("numbers.changed")).params).to.deep.equal({ sum: 1 });
    await client.call("logout");
    await client.authenticate(server.token({ sub: "bob" }));
    handles.get("alice")?.notify("numbers.changed" as never, { sum: 2 } as never);
    handles.get("bob")?.notify("numbers.changed" as never, { sum: 3 } as never);
    expect((await client.notification("numbers.changed")).params).to.deep.equal({ sum: 3 });
  });

  it("what a handler throws never ends the process, whatever its message is and whoever logs it", async () => {
    const strange = (message: unknown) => Object.assign(new Error("x"), { message });
    const cycle: { self?: object } = {};
    cycle.self = cycle;
    const rpc = createRpc();
    const app = rpc.router({
      big: rpc.method({ handler: () => Promise.reject(strange(1n)) }),
      cycle: rpc.method({
        handler: () => {
          throw strange(cycle);
        },
      }),
    });
    const written: string[] = [];
    const failing = { ...jsonLogger("debug", (line) => written.push(line)) };
    for (const logger of [failing, { ...failing, error: () => JSON.parse("{") }]) {
      await using server = await startServer(app, { logger });
      const client = await server.login();
      for (const method of ["big", "cycle"]) {
        const { error } = await client.call(method);
        expect(error?.code).to.equal(-32603);
        expect(Object.keys(error?.data ?? {})).to.deep.equal(["errorId"]);
      }
    }
    expect(written.some((line) => line.includes("handler failed"))).to.equal(true);
  });

  it("logout does not claim to have revoked a refresh token that it can't revoke", async () => {
    const renew = () => Promise.reject(new Error("not now"));
    const keys = createTestKeys();
    const { logger } = recordingLogger();
    const auth = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk, renew };
    await using server = await startServer(sampleApp(), { auth, logger });
    const client = await server.connect();
    await client.authenticate(signToken(keys));
    expect((await client.call("logout", { refreshToken: "opaque" })).error?.code).to.equal(-32602);
    expect(await client.call("whoami")).to.have.nested.property("result.state", "active");
    expect(await client.call("logout")).to.have.deep.property("result", { ok: true });
  });

  it("tokens that differ in what they allow are never taken for the same one", async () => {
    const rpc = createRpc({ claims: z.object({ sub: z.string() }) });
    const app = rpc.router({ admin: rpc.method({ scope: "admin", handler: () => "done" }) });
    await using server = await startServer(app);
    const bare = { iat: undefined, jti: undefined };
    const client = await server.login({ ...bare, scope: "admin", exp: now() + 60 });
    expect(await client.call("admin")).to.have.property("result", "done");
    const refreshed = await client.call("refresh", {
      token: server.token({ ...bare, scope: "", exp: now() + 900 }),
    });
    expect(refreshed).to.have.nested.property("result.changed", true);
    expect(refreshed).to.have.nested.property("result.expiresIn").that.is.greaterThan(800);
    expect((await client.call("admin")).error?.code).to.equal(-32003);
  });

  it("nobody fills the room for newcomers by logging out again and again", async () => {
    await using server = await startServer(sampleApp(), {
      limits: { unauthenticatedConnectionsPerAddress: 2 },
    });
    const users = [await server.login(), await server.login(), await server.login()];
    for (const user of users)
      expect((await user.call("logout")).result).to.deep.equal({ ok: true });
    expect((await users[2]?.closed)?.code).to.equal(1013);
    const refused = await server.connect().catch((error: Error) => error.message);
    expect(refused).to.match(/429/);
    await users[0]?.authenticate(server.token());
    await (await server.connect()).close();
  });

  it("a revoked token opens no document over HTTP, and refused ones count against their address", async () => {
    await using server = await startServer(sampleApp(), { limits: { authFailuresPerAddress: 3 } });
    const get = async (token: string) => {
      const headers = { authorization: `Bearer ${token}` };
      return (await fetch(`http://127.0.0.1:${server.listening.port}/openrpc.json`, { headers }))
        .status;
    };
    const token = server.token({ jti: "j1" });
    expect(await get(token)).to.equal(200);
    await server.server.revoke({ jti: "j1" });
    expect([await get(token), await get(token), await get("x.y.z")]).to.deep.equal([401, 401, 401]);
    expect(await get(server.token())).to.equal(429);
  });

  it("failed authenticate calls on a live session are limited like failed refreshes, and the session lives on", async () => {
    await using server = await startServer(sampleApp());
    const client = await server.login();
    const codes = [];
    for (let i = 0; i < 12; i++) codes.push((await client.authenticate("x.y.z")).error?.code);
    expect(codes.slice(0, 10)).to.deep.equal(Array(10).fill(-32004));
    expect(codes.slice(10)).to.deep.equal([-32029, -32029]);
    expect(await client.call("whoami")).to.have.nested.property("result.state", "active");
  });

  it("a schema is heard whatever kind of promise it returns, and one that says nothing lets nothing through", async () => {
    const schema = (validate: (value: unknown) => unknown) => ({
      "~standard": { version: 1 as const, vendor: "test", validate: validate as never },
    });
    const method = "then"; // as a promise of another make has it
    const thenable = {
      [method]: (resolve: (value: object) => void) => resolve({ issues: [{ message: "no" }] }),
    };
    const rpc = createRpc();
    const app = rpc.router({
      refusing: rpc.method({ params: schema(() => thenable), handler: () => "ran" }),
      silent: rpc.method({ params: schema(() => ({})), handler: () => "ran" }),
    });
    await using server = await startServer(app);
    const client = await server.login();
    expect((await client.call("refusing", {})).error?.code).to.equal(-32602);
    expect((await client.call("silent", {})).error?.code).to.equal(-32603);
  });

  it("an option that is no schema is refused when the server is made, not at every call", () => {
    const rpc = createRpc();
    const app = rpc.router({
      hello: rpc.method({ params: { name: "string" } as never, handler: () => 1 }),
    });
    const auth = {
      issuer: "https://id.test",
      audience: "test",
      secret: "0123456789abcdef0123456789abcdef",
    };
    expect(() => createServer(app, { auth })).to.throw(
      TypeError,
      "hello: params is no Standard Schema",
    );
  });

  it("the OpenRPC document is made once, however often it is asked for", async () => {
    let made = 0;
    const params = z.object({ n: z.number() });
    const { jsonSchema } = params["~standard"] as unknown as {
      jsonSchema: { input: (options: object) => object };
    };
    const input = jsonSchema.input.bind(jsonSchema);
    Object.assign(jsonSchema, {
      input: (options: object) => {
        made++;
        return input(options);
      },
    });
    const rpc = createRpc();
    await using server = await startServer(
      rpc.router({ hello: rpc.method({ params, handler: () => 1 }) }),
    );
    const client = await server.login();
    for (let i = 0; i < 5; i++)
      expect(await client.call("rpc.discover")).to.have.nested.property(
        "result.methods[0].name",
        "hello",
      );
    expect(made).to.be.at.most(1);
  });
});
