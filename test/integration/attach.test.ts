import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import express from "express";
import fastify from "fastify";
import { WebSocket, WebSocketServer } from "ws";
import { createRpc, createServer, type Server } from "../../src/index.js";
import { eventually } from "../helpers/eventually.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { recordingLogger, sampleApp } from "../helpers/server/test-server.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";

const keys = createTestKeys();

function rpcServer({ logger } = recordingLogger()): Server {
  return createServer(sampleApp(), {
    auth: { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk },
    logger,
  });
}

async function portOf(http: HttpServer): Promise<number> {
  if (!http.listening) await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return (http.address() as AddressInfo).port;
}

async function stop(http: HttpServer, server: Server): Promise<void> {
  await server.close();
  await new Promise((resolve) => {
    http.close(resolve);
    http.closeAllConnections();
  });
}

/** Authenticates, calls a method, and says goodbye. */
async function useRpc(url: string): Promise<void> {
  const client = await RawClient.connect(url);
  expect(await client.authenticate(signToken(keys))).to.have.nested.property(
    "result.subject",
    "user-1",
  );
  expect(await client.call("subtract", [42, 23])).to.have.property("result", 19);
  await client.close();
}

describe("a server that is attached", () => {
  it("serves beside other upgrade listeners, each on its own path", async () => {
    const http = createHttpServer((_request, response) => response.end("page"));
    const echo = new WebSocketServer({ noServer: true });
    http.on("upgrade", (request, socket, head) => {
      if (request.url === "/echo")
        echo.handleUpgrade(request, socket, head, (peer) =>
          peer.on("message", (data) => peer.send(String(data))),
        );
    });
    const server = rpcServer();
    server.attach(http, { path: "/api" });
    const port = await portOf(http);
    await useRpc(`ws://127.0.0.1:${port}/api`);
    const peer = await RawClient.connect(`ws://127.0.0.1:${port}/echo`);
    peer.send("hello");
    expect(await peer.nextText()).to.equal("hello");
    await peer.close();
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).to.equal("page");
    echo.close();
    await stop(http, server);
  });

  for (const [name, setUp] of Object.entries({
    "a WebSocketServer of another path, made before": (http: HttpServer, attach: () => void) => {
      new WebSocketServer({ server: http, path: "/chat" });
      attach();
    },
    "a WebSocketServer of another path, made later": (http: HttpServer, attach: () => void) => {
      attach();
      new WebSocketServer({ server: http, path: "/chat" });
    },
    "a WebSocketServer of every path, made before": (http: HttpServer, attach: () => void) => {
      new WebSocketServer({ server: http });
      attach();
    },
    "a second attach": (_http: HttpServer, attach: () => void) => {
      attach();
      attach();
    },
  })) {
    it(`warns once of ${name}, which answers for its path`, async () => {
      const http = createHttpServer();
      const recording = recordingLogger();
      const server = rpcServer(recording);
      setUp(http, () => server.attach(http));
      const port = await portOf(http);
      const conflicts = () =>
        recording.lines.filter(({ fields }) => fields.event === "upgrade.conflict");
      for (let time = 0; time < 2; time++) {
        const client = await RawClient.connect(`ws://127.0.0.1:${port}/rpc`).catch(() => undefined);
        if (name !== "a second attach" && !name.includes("every path")) await client?.closed;
        client?.socket.terminate();
        await eventually(() => expect(conflicts()).to.have.lengthOf(1));
      }
      const [line] = conflicts();
      expect(line).to.have.property("level", "warn");
      expect(line?.message).to.include("noServer: true");
      expect(line?.fields).to.include({ path: "/rpc" });
      await stop(http, server);
    });
  }

  it("does not warn of listeners that answer for their own paths only, or not at all", async () => {
    const http = createHttpServer();
    const chat = new WebSocketServer({ noServer: true });
    http.on("upgrade", (request, socket, head) => {
      if (request.url === "/chat") chat.handleUpgrade(request, socket, head, () => {});
    });
    http.on("upgrade", () => {});
    const recording = recordingLogger();
    const server = rpcServer(recording);
    server.attach(http);
    const port = await portOf(http);
    await useRpc(`ws://127.0.0.1:${port}/rpc`);
    await (await RawClient.connect(`ws://127.0.0.1:${port}/chat`)).close();
    expect(recording.lines.map(({ fields }) => fields.event)).to.not.include("upgrade.conflict");
    await stop(http, server);
  });

  it("answers an upgrade for another path with 404 when nobody else listens", async () => {
    const http = createHttpServer();
    const server = rpcServer();
    server.attach(http);
    const port = await portOf(http);
    const status = await new Promise((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/elsewhere`);
      socket.on("unexpected-response", (_request, response) => resolve(response.statusCode));
      socket.on("error", () => {});
    });
    expect(status).to.equal(404);
    await stop(http, server);
  });

  it("leaves the HTTP server alone when it is closed", async () => {
    const http = createHttpServer((_request, response) => response.end("page"));
    const server = rpcServer();
    server.attach(http);
    const port = await portOf(http);
    await server.close();
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).to.equal("page");
    expect(http.listenerCount("upgrade")).to.equal(0);
    await stop(http, server);
  });

  it("works beside Express", async () => {
    const server = rpcServer();
    const app = express();
    app.use((request, response, next) => {
      server.handle(request, response).then((isDone) => {
        if (!isDone) next();
      }, next);
    });
    app.get("/hello", (_request, response) => {
      response.send("from Express");
    });
    const http = app.listen(0, "127.0.0.1");
    await new Promise((resolve) => http.once("listening", resolve));
    server.attach(http);
    const port = await portOf(http);
    await useRpc(`ws://127.0.0.1:${port}/rpc`);
    expect(await (await fetch(`http://127.0.0.1:${port}/hello`)).text()).to.equal("from Express");
    expect(await (await fetch(`http://127.0.0.1:${port}/livez`)).json()).to.deep.equal({
      status: "ok",
    });
    const page = { headers: { Origin: "http://localhost:5173" } };
    const refused = await fetch(`http://127.0.0.1:${port}/rpc/`, page);
    expect(await refused.json()).to.have.property("error", "origin_refused");
    await stop(http, server);
  });

  it("works beside Fastify", async () => {
    const server = rpcServer();
    const app = fastify();
    app.get("/hello", async () => "from Fastify");
    await app.listen({ port: 0, host: "127.0.0.1" });
    server.attach(app.server);
    const port = await portOf(app.server);
    await useRpc(`ws://127.0.0.1:${port}/rpc`);
    expect(await (await fetch(`http://127.0.0.1:${port}/hello`)).text()).to.equal("from Fastify");
    await server.close();
    await app.close();
  });
});

describe("a server that listens", () => {
  it("is on loopback unless a host is given", async () => {
    const server = rpcServer();
    const { port, host, url } = await server.listen(0);
    expect({ host, url }).to.deep.equal({ host: "127.0.0.1", url: `ws://127.0.0.1:${port}/rpc` });
    await useRpc(url);
    await server.close();
  });

  it("does not listen where tokens would cross a network in the clear, and says what to do", async () => {
    const server = rpcServer();
    const error = await server.listen(0, "0.0.0.0").catch((thrown: unknown) => thrown);
    expect(error)
      .to.be.instanceOf(TypeError)
      .with.property("message")
      .that.matches(/tls.*trustProxy.*allowInsecure/);
    await server.close();
  });

  it("listens there when the operator says so", async () => {
    const { logger } = recordingLogger();
    const auth = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk };
    const server = createServer(sampleApp(), { auth, logger, allowInsecure: true });
    const { port } = await server.listen(0, "0.0.0.0");
    await useRpc(`ws://127.0.0.1:${port}/rpc`);
    await server.close();
  });

  it("says which option it is when the certificate and the key can't be used", async () => {
    const { logger } = recordingLogger();
    const auth = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk };
    const server = createServer(sampleApp(), {
      auth,
      logger,
      tls: { cert: "no certificate", key: "no key" },
    });
    const error = await server.listen(0).catch((thrown: unknown) => thrown);
    expect(error)
      .to.be.instanceOf(TypeError)
      .with.property("message")
      .that.matches(/^tls: cert and key/);
    await server.close();
  });

  it("says why when the port is taken", async () => {
    const first = rpcServer();
    const { port } = await first.listen(0);
    const second = rpcServer();
    const error = await second.listen(port).catch((thrown: unknown) => thrown);
    expect(error).to.have.property("code", "EADDRINUSE");
    await second.close();
    await first.close();
  });

  it("answers plain HTTP: livez, readyz, the WebSocket's path, and what it does not serve", async () => {
    const server = rpcServer();
    const { port } = await server.listen(0);
    const get = (path: string, init?: RequestInit) =>
      fetch(`http://127.0.0.1:${port}${path}`, init);
    expect(await (await get("/readyz")).json()).to.deep.equal({ status: "ready" });
    expect((await get("/rpc")).status).to.equal(426);
    expect((await get("/nothing")).status).to.equal(404);
    const posted = await get("/livez", { method: "POST" });
    expect([posted.status, posted.headers.get("allow")]).to.deep.equal([405, "GET, HEAD"]);
    await server.close();
  });

  it("gives the OpenRPC document to whoever has a token, by the token's scopes", async () => {
    const server = rpcServer();
    const { port } = await server.listen(0);
    const document = async (token?: string) => {
      const headers: Record<string, string> =
        token === undefined ? {} : { authorization: `Bearer ${token}` };
      const answer = await fetch(`http://127.0.0.1:${port}/openrpc.json`, { headers });
      return {
        status: answer.status,
        body: (await answer.json()) as { methods?: { name: string }[] },
      };
    };
    expect((await document()).status).to.equal(401);
    expect((await document("x.y.z")).status).to.equal(401);
    const { status, body } = await document(signToken(keys, { scope: "admin" }));
    expect(status).to.equal(200);
    const names = body.methods?.map(({ name }) => name);
    expect(names).to.include("admin.reset").and.to.not.include("numbers.add");
    await server.close();
  });

  it("gives it to anybody with discover: public, but not to who shows a token that is refused; with false to nobody", async () => {
    const auth = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk };
    for (const [discover, expected] of [
      ["public", [200, 401, 200]],
      [false, [404, 404, 404]],
    ] as const) {
      const server = createServer(sampleApp(), {
        auth,
        discover,
        logger: recordingLogger().logger,
      });
      const { port } = await server.listen(0);
      const statuses: number[] = [];
      for (const authorization of [undefined, "Bearer x.y.z", `Bearer ${signToken(keys)}`]) {
        const headers: Record<string, string> =
          authorization === undefined ? {} : { authorization };
        const answer = await fetch(`http://127.0.0.1:${port}/openrpc.json`, { headers });
        statuses.push(answer.status);
        expect(answer.headers.get("cache-control"), "it is one caller's").to.equal("no-store");
        await answer.text();
      }
      expect(statuses, String(discover)).to.deep.equal(expected);
      await server.close();
    }
  });

  it("tells hooks who came, who authenticated and who left, and survives a hook that throws", async () => {
    const { logger, lines } = recordingLogger();
    const told: string[] = [];
    const auth = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk };
    const server = createServer(sampleApp(), {
      auth,
      logger,
      hooks: {
        connected() {
          told.push("connected");
          throw new Error("a broken hook");
        },
        authenticated: (_connection, { subject }) => told.push(`authenticated ${subject}`),
        closed: (_connection, code) => told.push(`closed ${code}`),
      },
    });
    const { url } = await server.listen(0);
    await useRpc(url);
    await server.close();
    expect(told).to.deep.equal(["connected", "authenticated user-1", "closed 1000"]);
    expect(lines.filter(({ level }) => level === "error")).to.have.lengthOf(1);
  });

  for (const [what, options, says] of [
    [
      "an unknown limit",
      { limits: { frameBtyes: 1 } },
      /^limits: there is no "frameBtyes"; did you mean "frameBytes"\?$/,
    ],
    [
      "an unknown option",
      { orgins: [] },
      /^createServer: there is no "orgins"; did you mean "origins"\?$/,
    ],
    [
      "an option that is nearly none",
      { ssl: {} },
      /^createServer: there is no "ssl"; there are auth, origins, path, .*testing$/,
    ],
    [
      "an unknown option of an issuer",
      { auth: { maxlifetime: 1 } },
      /^auth: there is no "maxlifetime"; did you mean "maxLifetime"\?$/,
    ],
    [
      "an unknown hook",
      { hooks: { connect: () => {} } },
      /^hooks: there is no "connect"; did you mean "connected"\?$/,
    ],
    [
      "an unknown option of the metrics",
      { metrics: { prot: 1 } },
      /^metrics: there is no "prot"; did you mean "port"\?$/,
    ],
    [
      "a negative limit",
      { limits: { batchLength: -1 } },
      /limits\.batchLength must be a number from 1 up, not -1; Infinity means no limit/,
    ],
    [
      "tokens that no frame can bring",
      { auth: { issuer: "https://id.test", audience: "test", maxTokenLength: 20_000 } },
      /maxTokenLength of https:\/\/id\.test is 20000.*openFrameBytes to 20128 at least/,
    ],
    ["a path without a slash", { path: "rpc" }, /path must begin with/],
    ["an origin with a path", { origins: ["https://a.example/x"] }, /origins/],
    ["no issuer at all", { auth: [] }, /at least one issuer/],
    ["auth left out", { auth: undefined }, /auth is missing/],
  ] as const) {
    it(`is not made with ${what}`, () => {
      const auth = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk };
      expect(() => createServer(sampleApp(), { auth, ...(options as object) })).to.throw(
        TypeError,
        says,
      );
    });
  }

  it("says which notification has no schema, if none was given at all", () => {
    const auth = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk };
    const app = createRpc({ notifications: { news: undefined as never } }).router({});
    expect(() => createServer(app, { auth })).to.throw(
      TypeError,
      'the notification "news" has no Standard Schema',
    );
  });

  it("says what it needs to who has no types to tell: a router, and auth", () => {
    const make = createServer as (app?: unknown, options?: unknown) => unknown;
    const auth = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk };
    for (const app of [undefined, {}, { ping: () => "pong" }])
      expect(() => make(app, { auth })).to.throw(TypeError, /^app is not a router/);
    expect(() => make(sampleApp())).to.throw(TypeError, /^auth is missing/);
    expect(() => make(sampleApp(), { auth })).to.not.throw();
  });
});
