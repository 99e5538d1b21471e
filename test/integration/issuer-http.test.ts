import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { expect } from "chai";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { claimsOf, openIssuer, password, type TestIssuer } from "../helpers/tokens/test-issuer.js";

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, string>;
  readonly text: string;
}

describe("the issuer over HTTP", () => {
  let opened: TestIssuer;
  let server: Server;
  let url: string;

  beforeEach(async () => {
    opened = await openIssuer({
      origins: ["https://app.example.com"],
      failedLoginsPerAddress: 100,
    });
    ({ server, url } = await serve(opened));
  });

  afterEach(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  });

  const ask = async (path: string, init: RequestInit = {}): Promise<Reply> => {
    const response = await fetch(url + path, init);
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: text === "" ? {} : JSON.parse(text),
    };
  };
  const post = (path: string, body: object, headers: Record<string, string> = {}): Promise<Reply> =>
    ask(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "Content-Type": "application/json", ...headers },
    });
  const postForm = (
    path: string,
    body: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Reply> => ask(path, { method: "POST", body: new URLSearchParams(body), headers });
  const login = async (): Promise<Reply> => post("/login", { username: "ada", password });

  describe("POST /login", () => {
    it("answers JSON and form alike, in OAuth's shape, and nobody may cache it", async () => {
      for (const reply of [
        await login(),
        await postForm("/login", { username: "ada", password }),
      ]) {
        expect(reply.status).to.equal(200);
        expect(reply.body).to.have.all.keys(
          "access_token",
          "token_type",
          "expires_in",
          "refresh_token",
          "scope",
        );
        expect(reply.body).to.include({
          token_type: "Bearer",
          expires_in: 300,
          scope: "orders:read orders:write",
        });
        expect(reply.headers.get("cache-control")).to.equal("no-store");
        expect(reply.headers.get("pragma")).to.equal("no-cache");
      }
    });

    it("gives a token that verifies with the published keys", async () => {
      const { body } = await login();
      const keys = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`));
      const options = {
        issuer: "http://localhost:8080",
        audience: "jotwire",
        typ: "at+jwt",
        currentDate: new Date(opened.clock.now()),
      };
      expect((await jwtVerify(body.access_token ?? "", keys, options)).payload.sub).to.equal("ada");
    });

    it("answers wrong, unknown, disabled, locked and overlong in the same bytes", async () => {
      await opened.issuer.users.add("bob", password);
      await opened.issuer.users.disable("bob");
      const replies = [];
      for (const [username, secret] of [
        ["ada", "wrong password"],
        ["nobody", password],
        ["bob", password],
        ["ada", "a".repeat(2_000)],
        ...Array.from({ length: 5 }, () => ["ada", "wrong password"] as const),
        ["ada", password],
      ] as const) {
        const { status, headers, text } = await post("/login", { username, password: secret });
        replies.push(
          JSON.stringify([status, text, [...headers].filter(([name]) => name !== "date")]),
        );
      }
      expect(new Set(replies).size).to.equal(1);
      expect(replies[0]).to.include("400").and.to.include("invalid_grant");
    });

    it("answers 429 with Retry-After when too many passwords are being checked", async () => {
      let release = (): void => {};
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      opened.hasher.verify = () => released.then(() => false);
      let refusals = 0;
      const all = Array.from({ length: 40 }, async (_, n) => {
        const reply = await post("/login", { username: `user${n}`, password });
        if (reply.status === 429 && ++refusals === 6) release(); // all have arrived: 2 run, 32 wait
        return reply;
      });
      const busy = await Promise.race(all);
      expect(busy.status).to.equal(429);
      expect(busy.headers.get("retry-after")).to.equal("2");
      expect(busy.body.error).to.equal("temporarily_unavailable");
      const statuses = (await Promise.all(all)).map(({ status }) => status);
      expect(statuses.filter((status) => status === 400)).to.have.length(34);
      expect(statuses.filter((status) => status === 429)).to.have.length(6);
    });

    it("answers 429 with Retry-After, right or wrong, when too many logins of an address have failed", async () => {
      for (let n = 0; n < 100; n++)
        await post("/login", { username: `user${n}`, password: "wrong password" });
      const replies = [await login(), await post("/login", { username: "nobody", password })];
      for (const { status, headers, body } of replies) {
        expect(status).to.equal(429);
        expect(headers.get("retry-after")).to.equal("60");
        expect(body.error).to.equal("temporarily_unavailable");
        expect(body.error_description).to.equal(
          "Too many failed logins from your address: try again in 60 s.",
        );
      }
      opened.clock.advance(60_000);
      expect((await login()).status).to.equal(200);
    });

    it("answers 503 while the store is away, without its message", async () => {
      opened.issuer.store.users.get = () =>
        Promise.reject(new Error("secret address of the store"));
      const reply = await login();
      expect(reply.status).to.equal(503);
      expect(reply.body.error).to.equal("temporarily_unavailable");
      expect(reply.text).to.not.include("secret address");
    });
  });

  describe("POST /token", () => {
    it("rotates a refresh token of the first-party client without client authentication", async () => {
      const { body } = await login();
      const reply = await postForm("/token", {
        grant_type: "refresh_token",
        refresh_token: body.refresh_token ?? "",
      });
      expect(reply.status).to.equal(200);
      expect(reply.body).to.include({
        token_type: "Bearer",
        expires_in: 300,
        scope: "orders:read orders:write",
      });
      expect(reply.body.refresh_token).to.not.equal(body.refresh_token);
      expect(reply.headers.get("cache-control")).to.equal("no-store");
    });

    it("uses a token for who waits for the answer, and not for who has hung up, as callers do who have waited too long", async () => {
      const refresh = {
        grant_type: "refresh_token",
        refresh_token: (await login()).body.refresh_token,
      };
      const rotations = () =>
        opened.log.filter(
          ({ fields }) => (fields as { readonly event?: string }).event === "refresh.ok",
        ).length;
      hangUp(addressOf(server).port, "/token", JSON.stringify(refresh));
      await login(); // by now it was judged
      expect(rotations()).to.equal(0);
      expect((await post("/token", refresh)).status).to.equal(200);
      expect(rotations()).to.equal(1);
    });

    it("consumes nothing when another client shows the token, or asks for more scopes", async () => {
      const { clientId, clientSecret } = await opened.issuer.clients.add({
        clientId: "robot",
        scopes: [],
      });
      const refresh = {
        grant_type: "refresh_token",
        refresh_token: (await login()).body.refresh_token ?? "",
      };
      expect((await post("/token", { ...refresh, client_id: "other" })).body.error).to.equal(
        "invalid_grant",
      );
      const asRobot = { ...refresh, client_id: clientId, client_secret: clientSecret };
      expect((await post("/token", asRobot)).body.error).to.equal("invalid_grant");
      expect(
        (await post("/token", { ...refresh, scope: "orders:read admin" })).body.error,
      ).to.equal("invalid_scope");
      const reply = await post("/token", {
        ...refresh,
        client_id: "jotwire",
        scope: "orders:read",
      });
      expect(reply.status).to.equal(200);
      expect(reply.body.scope).to.equal("orders:read");
      const wider = await post("/token", {
        grant_type: "refresh_token",
        refresh_token: reply.body.refresh_token,
      });
      // the narrower scope was that access token's alone
      expect(wider.body.scope).to.equal("orders:read orders:write");
    });

    it("can't be asked which of unknown, reused and revoked a refresh token is", async () => {
      const first = (await login()).body.refresh_token;
      const second = (await post("/token", { grant_type: "refresh_token", refresh_token: first }))
        .body.refresh_token;
      opened.clock.advance(60_000);
      const replies = [];
      for (const token of ["unknown", first, first, second]) {
        const { status, text } = await post("/token", {
          grant_type: "refresh_token",
          refresh_token: token,
        });
        replies.push(`${status} ${text}`);
      }
      expect(new Set(replies).size).to.equal(1);
      expect(replies[0]).to.include("400").and.to.include("invalid_grant");
    });

    it("gives clients tokens for themselves, by header or body, without refresh token and session", async () => {
      const { clientSecret } = await opened.issuer.clients.add({
        clientId: "ro bot".replace(" ", ":"),
        scopes: ["a", "b"],
      });
      const credentials = Buffer.from(`${encodeURIComponent("ro:bot")}:${clientSecret}`).toString(
        "base64",
      );
      const form = { grant_type: "client_credentials" };
      for (const reply of [
        await postForm("/token", form, { Authorization: `Basic ${credentials}` }),
        await postForm("/token", { ...form, client_id: "ro:bot", client_secret: clientSecret }),
      ]) {
        expect(reply.status).to.equal(200);
        expect(reply.body).to.have.all.keys("access_token", "token_type", "expires_in", "scope");
        const claims = claimsOf(reply.body.access_token ?? "");
        expect(claims).to.include({ sub: "client:ro:bot", client_id: "ro:bot", scope: "a b" });
        expect(claims).to.not.have.any.keys("sid", "auth_time");
      }
      const narrow = await postForm(
        "/token",
        { ...form, scope: "b" },
        { Authorization: `Basic ${credentials}` },
      );
      expect(narrow.body.scope).to.equal("b");
      const wide = await postForm(
        "/token",
        { ...form, scope: "b c" },
        { Authorization: `Basic ${credentials}` },
      );
      expect(wide.body.error).to.equal("invalid_scope");
    });

    it("refuses unknown clients, wrong secrets and none, with 401 and a challenge", async () => {
      const { clientSecret } = await opened.issuer.clients.add({ clientId: "robot", scopes: [] });
      const form = { grant_type: "client_credentials" };
      for (const reply of [
        await postForm("/token", form),
        await postForm("/token", { ...form, client_id: "robot" }),
        await postForm("/token", { ...form, client_id: "robot", client_secret: "wrong" }),
        await postForm("/token", { ...form, client_id: "other", client_secret: clientSecret }),
        await postForm("/token", { ...form, client_id: "other", client_secret: "" }),
        await postForm("/token", form, { Authorization: "Bearer abc" }),
        await postForm("/token", form, {
          Authorization: `Basic ${Buffer.from("%zz:a").toString("base64")}`,
        }),
      ]) {
        expect(reply.status).to.equal(401);
        expect(reply.body.error).to.equal("invalid_client");
        expect(reply.headers.get("www-authenticate")).to.match(/^Basic /);
      }
      const both = await postForm(
        "/token",
        { ...form, client_id: "robot", client_secret: clientSecret },
        { Authorization: "Basic YTpi" },
      );
      expect(both.body.error).to.equal("invalid_request");
    });

    it("refuses a client that shows a wrong secret with a refresh token, and use no token up", async () => {
      const { clientId, clientSecret } = await opened.issuer.clients.add({
        clientId: "robot",
        scopes: [],
      });
      const refresh = {
        grant_type: "refresh_token",
        refresh_token: (await login()).body.refresh_token ?? "",
      };
      for (const client_id of ["jotwire", "robot"]) {
        const reply = await post("/token", { ...refresh, client_id, client_secret: "wrong" });
        expect([reply.status, reply.body.error], client_id).to.deep.equal([401, "invalid_client"]);
      }
      const credentials = Buffer.from(`${clientId}:${clientSecret}`).toString("base64");
      const headers = { Authorization: `Basic ${credentials}` };
      for (const doubled of [{ client_secret: clientSecret }, { client_id: "other" }]) {
        const reply = await post(
          "/token",
          { grant_type: "client_credentials", ...doubled },
          headers,
        );
        expect([reply.status, reply.body.error], JSON.stringify(doubled)).to.deep.equal([
          400,
          "invalid_request",
        ]);
      }
      expect(
        (await post("/token", { grant_type: "client_credentials", client_id: clientId }, headers))
          .status,
      ).to.equal(200);
      expect((await post("/token", refresh)).status).to.equal(200);
    });

    it("has no password grant", async () => {
      const reply = await postForm("/token", { grant_type: "password", username: "ada", password });
      expect(reply.status).to.equal(400);
      expect(reply.body.error).to.equal("unsupported_grant_type");
    });
  });

  describe("POST /revoke", () => {
    it("answers 200 to whatever isn't a token", async () => {
      const foreign = "eyJhbGciOiJub25lIn0.e30.";
      for (const token of [
        "unknown",
        foreign,
        "a.b.c",
        ((await login()).body.access_token ?? "").slice(0, -4),
      ]) {
        expect((await postForm("/revoke", { token, token_type_hint: "whatever" })).status).to.equal(
          200,
        );
      }
      expect(await opened.issuer.store.revocations.list(0)).to.deep.equal([]);
      expect((await postForm("/revoke", {})).status).to.equal(400);
    });

    it("revokes the family of a refresh token", async () => {
      const { body } = await login();
      expect((await postForm("/revoke", { token: body.refresh_token ?? "" })).status).to.equal(200);
      const [revocation] = await opened.issuer.store.revocations.list(0);
      expect(revocation).to.include({ sessionId: claimsOf(body.access_token ?? "").sid });
      const refresh = { grant_type: "refresh_token", refresh_token: body.refresh_token };
      expect((await post("/token", refresh)).body.error).to.equal("invalid_grant");
    });

    it("revokes an access token by its jti until it expires", async () => {
      const token = (await login()).body.access_token ?? "";
      await postForm("/revoke", { token });
      const { jti, exp } = claimsOf(token);
      const [revocation] = await opened.issuer.store.revocations.list(0);
      expect(revocation).to.include({
        issuer: "http://localhost:8080",
        jti,
        until: Number(exp) + 60,
      });
    });

    it("revokes an access token that has expired for less than a minute, for servers whose clocks are behind, and no older one", async () => {
      for (const [age, count] of [
        [59_000, 1],
        [60_000, 0],
      ] as const) {
        const token = (await login()).body.access_token ?? "";
        opened.clock.advance(300_000 + age);
        await postForm("/revoke", { token });
        const revoked = (await opened.issuer.store.revocations.list(0)).filter(
          ({ jti }) => jti === claimsOf(token).jti,
        );
        expect(revoked, `${age} ms`).to.have.length(count);
      }
    });
  });

  describe("the documents", () => {
    it("are cacheable for a short while, with an ETag that is honoured", async () => {
      for (const path of ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"]) {
        const first = await ask(path);
        const tag = first.headers.get("etag") ?? "";
        expect(
          Number(/max-age=(\d+)/.exec(first.headers.get("cache-control") ?? "")?.[1]),
        ).to.be.within(1, 600);
        expect((await ask(path, { headers: { "If-None-Match": tag } })).status).to.equal(304);
        expect((await ask(path, { headers: { "If-None-Match": '"other"' } })).status).to.equal(200);
        const head = await ask(path, { method: "HEAD" });
        expect([head.status, head.text, head.headers.get("etag")]).to.deep.equal([200, "", tag]);
      }
    });

    it("show no private member of a key", async () => {
      expect((await ask("/.well-known/jwks.json")).text).to.not.match(/"(d|p|q|dp|dq|qi|k)":/);
    });

    it("describe the server as RFC 8414 wants", async () => {
      expect((await ask("/.well-known/oauth-authorization-server")).body).to.deep.include({
        issuer: "http://localhost:8080",
        token_endpoint: "http://localhost:8080/token",
        revocation_endpoint: "http://localhost:8080/revoke",
        jwks_uri: "http://localhost:8080/.well-known/jwks.json",
        response_types_supported: [],
        grant_types_supported: ["refresh_token", "client_credentials"],
      });
    });
  });

  describe("what is not a proper request", () => {
    it("is answered 404 on other paths, also those that only look like ours", async () => {
      for (const path of ["/", "/login/", "/Login", "//login", "/__proto__", "/token/x"]) {
        expect((await ask(path, { method: "POST" })).status, path).to.equal(404);
      }
      expect((await post("/login?x=1", { username: "ada", password })).status).to.equal(200);
    });

    it("is answered 405 with the allowed methods", async () => {
      for (const [path, method, allow] of [
        ["/login", "GET", "POST, OPTIONS"],
        ["/token", "PUT", "POST, OPTIONS"],
        ["/revoke", "DELETE", "POST, OPTIONS"],
        ["/.well-known/jwks.json", "POST", "GET, HEAD, OPTIONS"],
      ] as const) {
        const reply = await ask(path, { method });
        expect([reply.status, reply.headers.get("allow")]).to.deep.equal([405, allow]);
      }
      expect(
        await rawAsk(server, "TRACE /login HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
      ).to.match(/^HTTP\/1.1 405 /);
    });

    it("is answered 415 for another content type", async () => {
      for (const type of ["text/plain", "multipart/form-data", "application/jsonx"]) {
        expect((await post("/login", {}, { "Content-Type": type })).status).to.equal(415);
      }
      expect(
        (
          await post(
            "/login",
            { username: "ada", password },
            { "Content-Type": "Application/JSON; charset=utf-8" },
          )
        ).status,
      ).to.equal(200);
    });

    it("is told to say so when it is JSON and is sent as a form, as curl -d does; a form is taken", async () => {
      const headers = { "Content-Type": "application/x-www-form-urlencoded" };
      const login = (body: string) => ask("/login", { method: "POST", body, headers });
      const refused = await login(JSON.stringify({ username: "ada", password }));
      expect(refused.status).to.equal(400);
      expect(refused.body.error_description).to.match(/ Content-Type: application\/json\.$/);
      expect(
        (await login(String(new URLSearchParams({ username: "ada", password })))).status,
      ).to.equal(200);
    });

    it("is answered 413 over 16 KiB, told by the length or only by what comes", async () => {
      const fits = JSON.stringify({ username: "ada", password, more: "" });
      const exactly = JSON.stringify({
        username: "ada",
        password,
        more: "x".repeat(16_384 - fits.length),
      });
      const headers = { "Content-Type": "application/json" };
      expect((await ask("/login", { method: "POST", body: exactly, headers })).status).to.equal(
        200,
      );
      expect(
        (await ask("/login", { method: "POST", body: `${exactly} `, headers })).status,
      ).to.equal(413);
      const told =
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 16385\r\n\r\n";
      expect(await rawAsk(server, told), "before any of it has come").to.match(/^HTTP\/1.1 413 /);
      const chunks = `4001\r\n${"x".repeat(0x4001)}\r\n`.repeat(3);
      const head =
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
      expect(await rawAsk(server, head + chunks)).to.match(/^HTTP\/1.1 413 /);
    });

    it("is answered 408 when the body takes more than 10 s", async () => {
      const head =
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
      const reply = rawAsk(server, head);
      while (opened.clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
      opened.clock.advance(10_000);
      expect(await reply).to.match(/^HTTP\/1.1 408 /);
    });

    it("is answered 400 with a description that OAuth allows", async () => {
      const headers = { "Content-Type": "application/json" };
      const form = { "Content-Type": "application/x-www-form-urlencoded" };
      const bodies: readonly (readonly [
        string | Uint8Array<ArrayBuffer>,
        Record<string, string>,
      ])[] = [
        ...[
          "",
          "{",
          "null",
          "[]",
          "1",
          '"x"',
          "{}",
          '{"username":1,"password":"x"}',
          '{"username":"ada"}',
          '{"__proto__":{"username":"ada"}}',
          `{"username":"ada","password":"${password}","username":"ada"}`,
          `{"username":"ada","password":"${password}","more":[{"a":1,"\\u0061":1}]}`,
          `{"username":"ada\\ud800","password":"${password}"}`,
        ].map((body) => [body, headers] as const),
        [new Uint8Array([0x22, 0xff, 0x22]), headers],
        ["username=ada&username=bob&password=x", form],
      ];
      for (const [body, given] of bodies) {
        const reply = await ask("/login", { method: "POST", body, headers: given });
        expect(reply.status, String(body)).to.equal(400);
        expect(reply.body.error).to.equal("invalid_request");
        expect(reply.body.error_description).to.match(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/);
      }
    });

    it("is survived when the caller hangs up in the middle", async () => {
      const { port } = addressOf(server);
      const socket = connect(port, "127.0.0.1");
      const closed = once(server, "connection").then(
        ([peer]) => new Promise((resolve) => peer.on("error", () => {}).on("close", resolve)),
      );
      socket.end(
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
      );
      socket.resume();
      await closed;
      expect((await login()).status).to.equal(200);
      expect(opened.clock.pending).to.equal(0);
    });
  });

  describe("a POST of a page", () => {
    const foreign: readonly Record<string, string>[] = [
      { Origin: "https://evil.example" },
      { Origin: "https://app.example.com.evil" },
      { Origin: "null" },
      { Origin: "https://evil.example", "Sec-Fetch-Site": "cross-site" },
      { Origin: "https://evil.app.example.com", "Sec-Fetch-Site": "same-site" },
      { "Sec-Fetch-Site": "cross-site" },
      { "Sec-Fetch-Site": "same-site" },
    ];
    const own: readonly Record<string, string>[] = [
      {},
      { Origin: "https://app.example.com" },
      { Origin: "https://app.example.com", "Sec-Fetch-Site": "cross-site" },
      { Origin: "http://localhost:8080" },
      { Origin: "null", "Sec-Fetch-Site": "same-origin" },
      { "Sec-Fetch-Site": "none" },
    ];

    it("that may not read the answer is 403, at each endpoint, and does nothing", async () => {
      const { body } = await login();
      for (const headers of foreign) {
        for (const [path, fields] of [
          ["/login", { username: "ada", password }],
          ["/token", { grant_type: "refresh_token", refresh_token: body.refresh_token ?? "" }],
          ["/revoke", { token: body.refresh_token ?? "" }],
        ] as const) {
          const reply = await postForm(path, fields, headers);
          expect(
            [reply.status, reply.body.error],
            `${path} ${JSON.stringify(headers)}`,
          ).to.deep.equal([403, "forbidden"]);
          expect(reply.headers.get("access-control-allow-origin")).to.equal(null);
          expect(reply.body.error_description)
            .to.match(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
            .and.to.include("option origins");
        }
      }
      expect(opened.issuer.counts).to.include({ logins: 1, refreshes: 0 });
      expect(
        (await post("/token", { grant_type: "refresh_token", refresh_token: body.refresh_token }))
          .status,
      ).to.equal(200);
    });

    it("that may read it is served, as is every program that is no browser", async () => {
      for (const headers of own)
        expect((await postForm("/login", { username: "ada", password }, headers)).status).to.equal(
          200,
        );
    });

    it("that may not is refused before its body has come", async () => {
      const head =
        "POST /login HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\nContent-Type: application/x-www-form-urlencoded\r\n";
      expect(await rawAsk(server, `${head}Content-Length: 1000\r\n\r\nusername=a`)).to.match(
        /^HTTP\/1.1 403 /,
      );
      expect(opened.clock.pending).to.equal(0);
    });

    it("that may not closes login to nobody, however many forms it sends in its visitors' names", async () => {
      const visited = await openIssuer({ failedLoginsPerAddress: 20 });
      const { server: other, url: there } = await serve(visited);
      const body = new URLSearchParams({ username: "ada", password: "wrong password" });
      for (let n = 0; n < 30; n++)
        expect(
          (
            await fetch(`${there}/login`, {
              method: "POST",
              body,
              headers: foreign[n % foreign.length] ?? {},
            })
          ).status,
        ).to.equal(403);
      const right = new URLSearchParams({ username: "ada", password });
      expect(
        (await fetch(`${there}/login`, { method: "POST", body: right, headers: { Origin: there } }))
          .status,
        "of the same host",
      ).to.equal(200);
      expect(visited.issuer.counts).to.include({ refusedLogins: 0, limitedLogins: 0 });
      other.close();
      other.closeAllConnections();
      await once(other, "close");
    });
  });

  it("tells browsers with each answer not to guess what it is", async () => {
    const replies = [
      await login(),
      await post("/login", {}),
      await post("/login", {}, { Origin: "https://evil.example" }),
      await post("/revoke", { token: "unknown" }),
      await ask("/login", { method: "OPTIONS" }),
      await ask("/login"),
      await ask("/no/such/page"),
      await ask("/.well-known/jwks.json"),
    ];
    expect(replies.map(({ status }) => status)).to.deep.equal([
      200, 400, 403, 200, 204, 405, 404, 200,
    ]);
    for (const { status, headers } of replies)
      expect(headers.get("x-content-type-options"), `${status}`).to.equal("nosniff");
  });

  describe("CORS", () => {
    const preflight = {
      "Access-Control-Request-Method": "POST",
      "Access-Control-Request-Headers": "content-type",
    };

    it("lets pages of an allowed origin read, without credentials", async () => {
      const headers = { Origin: "https://app.example.com" };
      const before = await ask("/login", {
        method: "OPTIONS",
        headers: { ...headers, ...preflight },
      });
      expect(before.status).to.equal(204);
      expect(before.headers.get("access-control-allow-origin")).to.equal("https://app.example.com");
      expect(before.headers.get("access-control-allow-methods")).to.include("POST");
      expect(before.headers.get("access-control-allow-headers")).to.include("Content-Type");
      for (const reply of [
        before,
        await post("/login", { username: "ada", password }, headers),
        await post("/login", {}, headers),
      ]) {
        expect(reply.headers.get("access-control-allow-origin")).to.equal(
          "https://app.example.com",
        );
        expect(reply.headers.get("access-control-allow-credentials")).to.equal(null);
        expect(reply.headers.get("vary")).to.equal("Origin");
      }
    });

    it("lets no other page read", async () => {
      for (const origin of ["https://app.example.com.evil", "http://app.example.com", "null"]) {
        const before = await ask("/login", {
          method: "OPTIONS",
          headers: { Origin: origin, ...preflight },
        });
        expect(before.headers.get("access-control-allow-origin")).to.equal(null);
        expect(
          (await post("/login", {}, { Origin: origin })).headers.get("access-control-allow-origin"),
        ).to.equal(null);
      }
    });
  });
});

describe("an issuer whose URL has a path", () => {
  it("answers below it, with its metadata where RFC 8414 puts them", async () => {
    const opened = await openIssuer({ issuer: "http://localhost:8080/auth" });
    const { server, url } = await serve(opened);
    const metadata = await fetch(`${url}/.well-known/oauth-authorization-server/auth`).then(
      (response) => response.json(),
    );
    expect(metadata).to.include({
      issuer: "http://localhost:8080/auth",
      jwks_uri: "http://localhost:8080/auth/.well-known/jwks.json",
    });
    expect((await fetch(`${url}/auth/.well-known/jwks.json`)).status).to.equal(200);
    expect((await fetch(`${url}/.well-known/jwks.json`)).status).to.equal(404);
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  });
});

async function serve({ issuer }: TestIssuer): Promise<{ server: Server; url: string }> {
  const server = createServer(issuer.handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, url: `http://127.0.0.1:${addressOf(server).port}` };
}

function addressOf(server: Server): { readonly port: number } {
  const address = server.address();
  if (address === null || typeof address === "string")
    throw new Error("the server does not listen");
  return address;
}

/**
 * Somebody asks and hangs up, both while this process, which is the server too, does something
 * else.
 */
function hangUp(port: number, path: string, body: string): void {
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  const program = `require("node:net").connect(${port}, "127.0.0.1").end(${JSON.stringify(head + body)}, () => process.exit())`;
  const { status } = spawnSync(process.execPath, ["-e", program]);
  expect(status).to.equal(0);
}

/** Sends bytes as they are, and gives back all that comes until the server closes. */
async function rawAsk(server: Server, bytes: string): Promise<string> {
  const socket = connect(addressOf(server).port, "127.0.0.1");
  socket.write(bytes);
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk;
  });
  await once(socket, "close");
  return answer;
}
