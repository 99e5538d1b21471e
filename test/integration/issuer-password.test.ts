import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { expect } from "chai";
import type { IssuerOptions } from "../../src/issuer/index.js";
import { claimsOf, openIssuer, type TestIssuer } from "../helpers/tokens/test-issuer.js";

const page = "https://app.example.com";
const chosen = "a password of my own";

interface Reply {
  readonly status: number;
  readonly body: Readonly<Record<string, string>>;
  readonly headers: Headers;
}

describe("POST /password", () => {
  let opened: TestIssuer;
  let server: Server;
  let url: string;

  async function open(options: Partial<IssuerOptions> = {}): Promise<void> {
    opened = await openIssuer({ issuer: "https://id.example.com", origins: [page], ...options });
    server = createServer(opened.issuer.handler).listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });

  async function post(
    path: string,
    body: URLSearchParams | object,
    headers: Record<string, string> = {},
  ): Promise<Reply> {
    const isForm = body instanceof URLSearchParams;
    const response = await fetch(url + path, {
      method: "POST",
      body: isForm ? body : JSON.stringify(body),
      headers: { ...(isForm ? {} : { "Content-Type": "application/json" }), ...headers },
    });
    return {
      status: response.status,
      body: JSON.parse(await response.text()),
      headers: response.headers,
    };
  }

  it("sets the password and answers as /login does, once, for JSON and form alike", async () => {
    await open();
    for (const [name, bodyOf] of [
      ["bob", (form: Record<string, string>) => form],
      ["cleo", (form: Record<string, string>) => new URLSearchParams(form)],
    ] as const) {
      const token = await opened.issuer.users.invite(name, { scopes: ["a"] });
      const reply = await post("/password", bodyOf({ password_token: token, password: chosen }));
      expect(reply.status).to.equal(200);
      expect(reply.body).to.have.all.keys(
        ...["access_token", "token_type", "expires_in", "refresh_token", "scope"],
      );
      expect(claimsOf(reply.body.access_token ?? "")).to.include({ sub: name, scope: "a" });
      expect(reply.headers.get("cache-control")).to.equal("no-store");
      await opened.issuer.renew(reply.body.refresh_token ?? "");
      const again = await post(
        "/password",
        bodyOf({ password_token: token, password: "an other password" }),
      );
      expect([again.status, again.body.error]).to.deep.equal([400, "invalid_grant"]);
      expect((await post("/login", { username: name, password: chosen })).status).to.equal(200);
    }
  });

  it("gives a page its refresh token in the cookie alone", async () => {
    await open({ cookie: true });
    const token = await opened.issuer.users.invite("bob");
    const reply = await post(
      "/password",
      { password_token: token, password: chosen },
      { origin: page },
    );
    expect(reply.body).to.have.all.keys("access_token", "token_type", "expires_in", "scope");
    const setCookie = reply.headers.get("set-cookie") ?? "";
    expect(setCookie).to.match(/^__Host-jotwire-.*; HttpOnly; Secure; SameSite=Strict$/);
    const refreshed = await post(
      "/token",
      { grant_type: "refresh_token" },
      { origin: page, cookie: setCookie.split(";")[0] ?? "" },
    );
    expect(refreshed.status).to.equal(200);
  });

  it("refuses pages of other origins before anything is counted or used up", async () => {
    await open({ cookie: true });
    const token = await opened.issuer.users.invite("bob");
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
    ] as Record<string, string>[]) {
      const reply = await post("/password", { password_token: token, password: chosen }, headers);
      expect([reply.status, reply.body.error]).to.deep.equal([403, "forbidden"]);
      expect(reply.headers.get("set-cookie")).to.equal(null);
    }
    expect((await post("/password", { password_token: token, password: chosen })).status).to.equal(
      200,
    );
  });

  it("answers what is unknown, used, replaced, expired, malformed or a disabled user's in the same bytes", async () => {
    await open({ failedLoginsPerAddress: 100 });
    const { users } = opened.issuer;
    const used = await users.invite("bob");
    await post("/password", { password_token: used, password: chosen });
    const replaced = (await users.resetPassword("ada")) ?? "";
    const expired = (await users.resetPassword("ada", { expiresIn: 60_000 })) ?? "";
    opened.clock.advance(60_000);
    const disabled = await users.invite("cleo");
    await users.disable("cleo");
    const replies = [];
    for (const token of [used, replaced, expired, disabled, "x", "__proto__", "x".repeat(9_000)])
      replies.push(await post("/password", { password_token: token, password: chosen }));
    expect(
      new Set(replies.map(({ status, body }) => JSON.stringify([status, body]))),
    ).to.deep.equal(
      new Set([
        JSON.stringify([
          400,
          {
            error: "invalid_grant",
            error_description:
              "The link to set a password is not valid any more: if you have used it, log in; otherwise ask for a new one.",
          },
        ]),
      ]),
    );
  });

  it("says what is wrong with a password, and what is missing", async () => {
    await open();
    const token = await opened.issuer.users.invite("bob");
    const weak = await post("/password", { password_token: token, password: "1234567" });
    expect([weak.status, weak.body]).to.deep.equal([
      400,
      {
        error: "invalid_password",
        error_description: "A password needs at least 8 characters.",
      },
    ]);
    for (const body of [
      {},
      { password_token: token },
      { password: chosen },
      { password_token: 7, password: chosen },
      { token, password: chosen },
    ])
      expect((await post("/password", body)).body.error).to.equal("invalid_request");
    const huge = await post("/password", { password_token: "x".repeat(17_000), password: chosen });
    expect(huge.status).to.equal(413);
    const got = await fetch(`${url}/password?token=${token}`);
    expect([got.status, got.headers.get("allow")]).to.deep.equal([405, "POST, OPTIONS"]);
    expect((await post("/password", { password_token: token, password: chosen })).status).to.equal(
      200,
    );
  });

  it("shares the limit of failed logins of an address with /login", async () => {
    await open({ failedLoginsPerAddress: 3 });
    const token = await opened.issuer.users.invite("bob");
    for (let n = 0; n < 3; n++)
      await post("/password", { password_token: `x.${n}`, password: chosen });
    for (const reply of [
      await post("/password", { password_token: token, password: chosen }),
      await post("/login", { username: "ada", password: "whatever it is" }),
    ]) {
      expect(reply.status).to.equal(429);
      expect(Number(reply.headers.get("retry-after"))).to.be.within(1, 60);
    }
    opened.clock.advance(60_000);
    expect((await post("/password", { password_token: token, password: chosen })).status).to.equal(
      200,
    );
  });
});
