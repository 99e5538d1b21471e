import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { parse as parseQuery } from "node:querystring";
import { type HttpBindings, serve } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { MiddlewareConsumer } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { expect } from "chai";
import express from "express";
import { fastify } from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { createServer, type Server } from "../../src/index.js";
import { snippets } from "../helpers/documents.js";
import { link, tsx } from "../helpers/package/project.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { recordingLogger, sampleApp } from "../helpers/server/test-server.js";
import { withFolder } from "../helpers/temporary-folder.js";
import { openIssuer, password } from "../helpers/tokens/test-issuer.js";

type Handle = (
  request: IncomingMessage,
  response: ServerResponse,
  next: () => void,
) => Promise<void>;

const page = "docs/guides/frameworks/";
const packages = ["jotwire", "ws", "express", "fastify", "hono", "@hono/node-server", "koa"];
const nest = ["@nestjs/core", "@nestjs/common", "@nestjs/platform-express", "rxjs"];
const reportPort = new URL("../fixtures/report-port.mjs", import.meta.url).href;

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") ?? false;
  return { status: response.status, text, body: isJson ? JSON.parse(text) : {} };
}

const post = (url: string, body: unknown) =>
  ask(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
const postForm = (url: string, body: Record<string, string> | string) =>
  ask(url, { method: "POST", body: new URLSearchParams(body) });

/** Starts a file of the guide in a process of its own, and gives it away at its base URL. */
async function withGuide(name: string, use: (base: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    await link(folder, ...packages, ...nest);
    await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    for (const { name: path, code } of snippets)
      if (path.startsWith(page)) await writeFile(join(folder, path.slice(page.length)), code);
    const preload = [tsx, reportPort].flatMap((url) => ["--import", url]);
    const child = spawn(process.execPath, [...preload, name], {
      cwd: folder,
      env: { ...process.env, PORT: "0" },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const exited = new Promise((resolve) => child.once("exit", resolve));
    try {
      const port = await new Promise<number>((resolve, reject) => {
        child.once("message", (message) => resolve(Number(message)));
        void exited.then((code) => reject(new Error(`${name} ended with ${code}`)));
      });
      await use(`http://127.0.0.1:${port}`);
    } finally {
      child.kill("SIGKILL");
      await exited;
    }
  });
}

/** Everything that the server answers over HTTP, and the WebSocket. */
async function useEverything(base: string): Promise<void> {
  const { status, body: tokens } = await post(`${base}/login`, {
    username: "ada",
    password: "correct horse battery",
  });
  expect(status).to.equal(200);
  const wrong = await post(`${base}/login`, { username: "ada", password: "wrong" });
  expect([wrong.status, wrong.body.error]).to.deep.equal([400, "invalid_grant"]);
  const refreshed = await postForm(`${base}/token`, {
    grant_type: "refresh_token",
    refresh_token: String(tokens.refresh_token),
  });
  expect(refreshed.status).to.equal(200);
  const token = String(refreshed.body.access_token);

  expect((await ask(`${base}/livez`)).body).to.deep.equal({ status: "ok" });
  expect((await ask(`${base}/readyz`)).body).to.deep.equal({ status: "ready" });
  const keys = await ask(`${base}/.well-known/jwks.json`);
  expect(keys.body.keys).to.be.an("array").that.is.not.empty;
  const metadata = await ask(`${base}/.well-known/oauth-authorization-server`);
  expect(metadata.body.token_endpoint).to.equal("http://localhost:8080/token");
  const authorization = `Bearer ${token}`;
  const openRpc = await ask(`${base}/openrpc.json`, { headers: { authorization } });
  expect(openRpc.text).to.include('"hello"');
  expect((await ask(`${base}/rpc`)).status).to.equal(426);

  const client = await RawClient.connect(`${base.replace("http", "ws")}/rpc`);
  await client.authenticate(token);
  expect(await client.call("hello")).to.have.property("result", "hello ada");
  const revoked = await postForm(`${base}/revoke`, { token: String(refreshed.body.refresh_token) });
  expect(revoked.status).to.equal(200);
  expect((await client.closed).code).to.equal(4401);

  const large = await post(`${base}/login`, { username: "a".repeat(20_000), password: "x" });
  expect(large.status).to.equal(413);
  const text = await ask(`${base}/login`, { method: "POST", body: "username=ada" });
  expect(text.status).to.equal(415);
}

describe("The guide to frameworks", function () {
  this.timeout(60_000);

  for (const [name, own] of [
    ["plain", "your own page"],
    ["express", "your own page"],
    ["fastify", "your own page"],
    ["hono", "your own page"],
    ["koa", "your own page"],
    ["nest", '{"message":"Cannot GET /"'],
  ] as const) {
    it(`has a ${name}.ts that runs as it is: every endpoint, the WebSocket, and the framework's own page`, () =>
      withGuide(`${name}.ts`, async (base) => {
        expect((await ask(`${base}/`)).text).to.satisfy((text: string) => text.startsWith(own));
        await useEverything(base);
      }));
  }

  it("has a beside.ts in which two WebSocket servers share an HTTP server", () =>
    withGuide("beside.ts", async (base) => {
      const [chat, rpc] = await Promise.all([
        RawClient.connect(`${base.replace("http", "ws")}/chat`),
        RawClient.connect(`${base.replace("http", "ws")}/rpc`),
      ]);
      expect(await chat.nextText()).to.equal("welcome");
      expect(await rpc.call("ping")).to.have.property("result", "pong");
      await Promise.all([chat.close(), rpc.close()]);
    }));
});

/** Makes `handle` a middleware of Express's shape. */
const middleware =
  (server: Server): Handle =>
  async (request, response, next) => {
    if (!(await server.handle(request, response))) next();
  };

async function bytesOf(request: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A parsed body as Next's API routes have it. */
function parsed(text: string, contentType = ""): unknown {
  if (contentType.startsWith("application/json")) return text === "" ? {} : JSON.parse(text);
  return contentType.startsWith("application/x-www-form-urlencoded") ? parseQuery(text) : text;
}

/** Servers in which a parser reads each body before `handle` gets the request. */
const parsers: Readonly<Record<string, (server: Server) => HttpServer | Promise<HttpServer>>> = {
  "express.json() and express.urlencoded({ extended: true })": (server) =>
    createHttpServer(
      express()
        .use(express.json(), express.urlencoded({ extended: true }))
        .use(middleware(server)),
    ),
  "express.json() and express.urlencoded({ extended: false })": (server) =>
    createHttpServer(
      express()
        .use(express.json(), express.urlencoded({ extended: false }))
        .use(middleware(server)),
    ),
  "express.text()": (server) =>
    createHttpServer(
      express()
        .use(express.text({ type: "*/*" }))
        .use(middleware(server)),
    ),
  "express.raw()": (server) =>
    createHttpServer(
      express()
        .use(express.raw({ type: "*/*" }))
        .use(middleware(server)),
    ),
  "Fastify, in a route": async (server) => {
    const app = fastify();
    app.addContentTypeParser(
      ["application/x-www-form-urlencoded", "text/plain"],
      { parseAs: "string" },
      (_request, body, done) => done(null, body),
    );
    app.post("/*", async (request, reply) => {
      Object.assign(request.raw, { body: request.body });
      if (await server.handle(request.raw, reply.raw)) reply.hijack();
    });
    await app.ready();
    return app.server;
  },
  "Nest, in a middleware of a module": async (server) => {
    class AppModule {
      configure(consumer: MiddlewareConsumer) {
        consumer.apply(middleware(server)).forRoutes("*path");
      }
    }
    const app = await NestFactory.create({ module: AppModule }, { logger: false });
    await app.init();
    return app.getHttpServer();
  },
  "Koa, behind a parser": (server) => {
    const app = new Koa();
    app.use(async (ctx, next) => {
      const body = parsed(String(await bytesOf(ctx.req)), ctx.get("content-type"));
      Object.assign(ctx.req, { body });
      await next();
    });
    app.use(async (ctx, next) => {
      if (await server.handle(ctx.req, ctx.res)) ctx.respond = false;
      else await next();
    });
    return createHttpServer(app.callback());
  },
  "Hono, behind c.req.text()": (server) => {
    const app = new Hono<{ Bindings: HttpBindings }>();
    app.use(async ({ env, req }, next) => {
      Object.assign(env.incoming, { body: await req.text() });
      if (await server.handle(env.incoming, env.outgoing)) return RESPONSE_ALREADY_SENT;
      await next();
    });
    return serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }) as HttpServer;
  },
  "the parser of Next's API routes": (server) =>
    createHttpServer(async (request, response) => {
      const body = parsed(String(await bytesOf(request)), request.headers["content-type"]);
      await server.handle(Object.assign(request, { body }), response);
    }),
};

/** Runs a server with an embedded issuer behind a parser. */
async function behind(
  parser: (server: Server) => HttpServer | Promise<HttpServer>,
  use: (base: string) => Promise<void>,
): Promise<void> {
  const { issuer } = await openIssuer({ failedLoginsPerAddress: 100 });
  const server = createServer(sampleApp(), { auth: issuer, logger: recordingLogger().logger });
  const http = await parser(server);
  if (!http.listening) await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  try {
    await use(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  } finally {
    await new Promise((resolve) => {
      http.close(resolve);
      http.closeAllConnections();
    });
    await server.close();
    await issuer.close();
  }
}

const ada = { username: "ada", password };
/** More than the body of a request may have, and less than parsers take. */
const long = "x".repeat(20_000);

describe("A body that was read before handle", () => {
  for (const [name, parser] of Object.entries(parsers)) {
    it(`is taken from ${name}: JSON, a form, and the same refusals`, () =>
      behind(parser, async (base) => {
        const login = await post(`${base}/login`, ada);
        expect(login.status, login.text).to.equal(200);
        const refresh = {
          grant_type: "refresh_token",
          refresh_token: String(login.body.refresh_token),
        };
        expect((await postForm(`${base}/token`, refresh)).status).to.equal(200);
        expect((await postForm(`${base}/login`, ada)).status).to.equal(200);
        for (const [what, { status, text }, ...expected] of [
          [
            "a wrong password",
            await post(`${base}/login`, { ...ada, password: "x" }),
            400,
            "Wrong",
          ],
          ["a number", await post(`${base}/login`, { ...ada, password: 1 }), 400, "a string"],
          ["an object", await post(`${base}/login`, { ...ada, username: {} }), 400, "a string"],
          ["a list", await post(`${base}/login`, [ada]), 400, "object"],
          ["nothing", await post(`${base}/login`, {}), 400, "username is missing"],
          ["a long body", await post(`${base}/login`, { ...ada, password: long }), 413, "16384"],
          ["a long form", await postForm(`${base}/login`, { ...ada, x: long }), 413, "16384"],
          [
            "a parameter twice",
            await postForm(`${base}/login`, "username=ada&username=bob&password=x"),
            400,
            "twice",
          ],
        ] as const) {
          expect([what, status], text).to.deep.equal([what, expected[0]]);
          expect(text, what).to.include(expected[1]);
        }
        const odd = await ask(`${base}/login`, { method: "POST", body: "username=ada" });
        expect(odd.status).to.equal(415);
      }));

    it(`has no members that ${name} would lend it by __proto__ or a prototype`, () =>
      behind(parser, async (base) => {
        const lent = `{"__proto__":${JSON.stringify(ada)}}`;
        const answer = await post(`${base}/login`, lent);
        expect(answer.status, answer.text).to.equal(400);
        const form = "__proto__[username]=ada&__proto__[password]=x&constructor=y";
        const second = await postForm(`${base}/login`, form);
        expect(second.text).to.include("username is missing");
      }));
  }

  it("is found where handle is mounted at a path, and the framework's own paths stay as they are", () =>
    behind(
      (server) =>
        createHttpServer(
          express()
            .use(express.json())
            .use("/own", middleware(server))
            .use("/login", middleware(server))
            .use("/own", (request, response) => response.send(request.url)),
        ),
      async (base) => {
        expect((await post(`${base}/login`, ada)).status).to.equal(200);
        expect((await ask(`${base}/own/page`)).text).to.equal("/page");
      },
    ));

  it("counts what came in chunks, for which no header says the length", () =>
    behind(parsers["express.json() and express.urlencoded({ extended: true })"]!, async (base) => {
      const body = new Blob([JSON.stringify({ ...ada, password: long })]).stream();
      const headers = { "content-type": "application/json" };
      const init = { method: "POST", body, headers, duplex: "half" };
      const answer = await ask(`${base}/login`, init as RequestInit);
      expect(answer.status, answer.text).to.equal(413);
    }));

  it("is read from the request where the parser has left it alone, whatever it says", () =>
    behind(
      (server) =>
        createHttpServer((request, response) =>
          server.handle(Object.assign(request, { body: {} }), response),
        ),
      async (base) => {
        expect((await post(`${base}/login`, ada)).status).to.equal(200);
        expect((await postForm(`${base}/login`, ada)).status).to.equal(200);
      },
    ));

  it("says what to change where nothing is left of it", () =>
    behind(
      (server) =>
        createHttpServer(async (request, response) => {
          await bytesOf(request);
          await server.handle(request, response);
        }),
      async (base) => {
        for (const body of [ada, ""]) {
          const { status, text } = await post(`${base}/login`, body);
          expect(status).to.equal(500);
          expect(text).to.include("before any body parser").and.to.include("request.body");
        }
      },
    ));
});
