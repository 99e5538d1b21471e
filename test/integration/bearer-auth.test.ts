import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { expect } from "chai";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import {
  type BearerAuth,
  type BearerAuthOptions,
  bearerAuth,
  createTokenVerifier,
} from "../../src/index.js";
import { sampleApp, startServer, type TestServer } from "../helpers/server/test-server.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";

/** An HTTP API at `url`. */
interface Api extends AsyncDisposable {
  readonly url: string;
}

type Framework = (bearer: BearerAuth) => Promise<Api>;

async function listening(http: Server): Promise<Api> {
  if (!http.listening) await new Promise((resolve) => http.once("listening", resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/orders`,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

/** Each has one route, which answers with the subject, behind one line of middleware. */
const frameworks: Readonly<Record<string, Framework>> = {
  Express(bearer) {
    const app = express();
    app.use("/orders", bearer.express);
    app.get("/orders", (req, res) => void res.json({ subject: bearer.authOf(req).subject }));
    return listening(app.listen(0, "127.0.0.1"));
  },
  async Fastify(bearer) {
    const app = fastify();
    app.addHook("onRequest", bearer.fastify);
    app.get("/orders", async (request) => ({ subject: bearer.authOf(request).subject }));
    await app.listen({ port: 0, host: "127.0.0.1" });
    const { address, port } = app.server.address() as AddressInfo;
    return {
      url: `http://${address}:${port}/orders`,
      [Symbol.asyncDispose]: () => app.close(),
    };
  },
  Hono(bearer) {
    const app = new Hono();
    app.use("/orders", bearer.hono);
    app.get("/orders", (c) => c.json({ subject: bearer.authOf(c).subject }));
    return listening(serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }) as Server);
  },
  "node:http"(bearer) {
    const listener: RequestListener = async (request, response) => {
      const { auth, refusal } = await bearer.check(request);
      response.setHeader("Content-Type", "application/json");
      if (refusal === null) return void response.end(JSON.stringify({ subject: auth.subject }));
      response.writeHead(refusal.status, refusal.headers).end(JSON.stringify(refusal.body));
    };
    return listening(createHttpServer(listener).listen(0, "127.0.0.1"));
  },
};

async function ask({ url }: Api, authorization?: string) {
  const headers: Record<string, string> =
    authorization === undefined ? {} : { Authorization: authorization };
  const response = await fetch(url, { headers });
  const body = (await response.json()) as {
    readonly subject?: string;
    readonly error?: string;
    readonly error_description?: string;
  };
  return {
    status: response.status,
    body,
    challenge: response.headers.get("www-authenticate"),
    retryAfter: response.headers.get("retry-after"),
    type: response.headers.get("content-type"),
    cache: response.headers.get("cache-control"),
  };
}

const over = (now = Math.floor(Date.now() / 1_000)) => ({ iat: now - 900, exp: now - 1 });

for (const [name, framework] of Object.entries(frameworks)) {
  const run = async (
    check: (api: Api, server: TestServer) => Promise<void>,
    options: BearerAuthOptions = {},
    serverOptions: Parameters<typeof startServer>[1] = {},
  ) => {
    await using server = await startServer(sampleApp(), { production: true, ...serverOptions });
    await using api = await framework(bearerAuth(server.server, options));
    await check(api, server);
  };

  describe(`A route of ${name} behind bearerAuth`, () => {
    it("runs for a good token, and knows whose it is", () =>
      run(async (api, server) => {
        for (const scheme of ["Bearer", "bearer"])
          expect(await ask(api, `${scheme} ${server.token({ sub: "ada" })}`)).to.deep.include({
            ...{ status: 200, body: { subject: "ada" } },
          });
      }));

    it("without a token says what to send, and names no error (RFC 6750 §3.1)", () =>
      run(async (api) => {
        for (const authorization of [undefined, "Basic YTpi"])
          expect(await ask(api, authorization)).to.deep.include({
            ...{ status: 401, challenge: "Bearer", cache: "no-store" },
          });
      }));

    it("with something that is no one token is a bad request", () =>
      run(async (api) => {
        for (const authorization of ["Bearer", "Bearer a b", "Bearer a, Bearer b"]) {
          const { status, challenge } = await ask(api, authorization);
          expect(status, authorization).to.equal(400);
          expect(challenge).to.match(/^Bearer error="invalid_request", error_description="[^"]+"$/);
        }
      }));

    it("refuses a token that is expired, revoked or not accepted by 401 invalid_token", () =>
      run(async (api, server) => {
        const revoked = server.token({ sub: "bob" });
        await server.server.revoke({ subject: "bob" });
        for (const [token, description] of [
          ["no-token", "the token is not accepted"],
          [server.token({ aud: "other" }), "the token is not accepted"],
          [server.token(over()), "the token has expired"],
          [revoked, "the token was revoked"],
        ]) {
          const answer = await ask(api, `Bearer ${token}`);
          expect(answer).to.include({
            status: 401,
            challenge: `Bearer error="invalid_token", error_description="${description}"`,
            cache: "no-store",
          });
          expect(answer.type).to.match(/^application\/json/);
          expect(answer.body).to.deep.equal({
            error: "invalid_token",
            error_description: description,
          });
        }
      }));

    it("says outside production what is wrong with the token", () =>
      run(
        async (api, server) => {
          const { body } = await ask(api, `Bearer ${server.token({ aud: "other" })}`);
          expect(body.error_description).to.equal(
            'the token is not accepted: aud is "other", expected "test"',
          );
        },
        {},
        { production: false },
      ));

    it("refuses a token that lacks scopes by 403 insufficient_scope, and names them", () =>
      run(
        async (api, server) => {
          const lacking = await ask(api, `Bearer ${server.token({ scope: "orders:read" })}`);
          expect(lacking).to.include({
            status: 403,
            challenge:
              'Bearer error="insufficient_scope", error_description="the token lacks a scope", scope="orders:read orders:write"',
          });
          expect(lacking.body.error).to.equal("insufficient_scope");
          const both = server.token({ scope: "orders:write orders:read", sub: "ada" });
          expect((await ask(api, `Bearer ${both}`)).body).to.deep.equal({ subject: "ada" });
        },
        { scope: ["orders:read", "orders:write"] },
      ));

    it("answers 503 with Retry-After while no token can be verified, and counts nothing", () =>
      run(
        async (api) => {
          for (let time = 0; time < 5; time++)
            expect(await ask(api, "Bearer key_1")).to.deep.include({
              ...{ status: 503, challenge: null, retryAfter: "1" },
              body: {
                error: "temporarily_unavailable",
                error_description: "the token can't be verified at the moment; try again",
              },
            });
        },
        {},
        {
          auth: { verify: () => Promise.reject(new Error("no database")) },
          limits: { authFailuresPerAddress: 3 },
        },
      ));

    it("bars an address after too many refused tokens, whatever it comes with", () =>
      run(
        async (api, server) => {
          for (let time = 0; time < 3; time++)
            expect((await ask(api, "Bearer no-token")).status).to.equal(401);
          expect(await ask(api, `Bearer ${server.token()}`)).to.include({
            ...{ status: 429, challenge: null, retryAfter: "60" },
          });
        },
        {},
        { limits: { authFailuresPerAddress: 3 } },
      ));
  });
}

describe("bearerAuth", () => {
  it("checks a Request of the Fetch API, as route handlers get it", async () => {
    await using server = await startServer(sampleApp());
    const bearer = bearerAuth(server.server);
    const request = (token: string) =>
      new Request("https://api.test/orders", { headers: { Authorization: `Bearer ${token}` } });
    const { auth } = await bearer.check(request(server.token({ sub: "ada" })));
    expect(auth).to.include({ subject: "ada", issuer: "https://id.test" });
    const { refusal } = await bearer.check(request("no-token"));
    expect(refusal?.status).to.equal(401);
  });

  it("works in Hono where there is no request of Node", async () => {
    await using server = await startServer(sampleApp());
    const bearer = bearerAuth(server.server);
    const app = new Hono().use(bearer.hono).get("/", (c) => c.text(bearer.authOf(c).subject));
    const headers = { Authorization: `Bearer ${server.token({ sub: "ada" })}` };
    expect(await (await app.request("/", { headers })).text()).to.equal("ada");
    expect((await app.request("/")).status).to.equal(401);
  });

  it("works with a token verifier in a process without a server", async () => {
    const keys = createTestKeys();
    using tokens = createTokenVerifier({
      ...{ issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk },
    });
    const bearer = bearerAuth(tokens, { scope: { anyOf: ["read", "write"] } });
    const check = (claims: object) =>
      bearer.check({
        headers: new Headers({ Authorization: `Bearer ${signToken(keys, { ...claims })}` }),
      });
    expect((await check({ scope: "write" })).auth).to.include({ subject: "user-1" });
    expect((await check({ scope: "other" })).refusal?.headers["WWW-Authenticate"]).to.match(
      /scope="read write"$/,
    );
  });

  it("knows nobody for a request that it has not let pass, and refuses what is no scope", async () => {
    await using server = await startServer(sampleApp());
    const bearer = bearerAuth(server.server);
    expect(() => bearer.authOf({})).to.throw(TypeError, /put it in front/);
    expect(() => bearerAuth(server.server, { scope: "a b" })).to.throw(TypeError);
    expect(() => bearerAuth(server.server, { scopes: "a" } as never)).to.throw(
      TypeError,
      /did you mean "scope"/,
    );
  });

  it("hands to Express what a verifier throws that is no refusal, as a temporary one", async () => {
    const bearer = bearerAuth({
      production: true,
      verify: () => Promise.reject(new Error("a fault")),
    });
    const { refusal } = await bearer.check({ headers: new Headers({ Authorization: "Bearer x" }) });
    expect(refusal).to.include({ status: 503 });
    expect(JSON.stringify(refusal)).to.not.include("a fault");
  });
});
