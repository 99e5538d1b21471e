import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { expect } from "chai";
import { createRpc, createServer as createRpcServer } from "../../src/index.js";
import { memoryStore } from "../../src/issuer/index.js";
import { rejectionOf } from "../helpers/rejection.js";
import { claimsOf, openIssuer, password, type TestIssuer } from "../helpers/tokens/test-issuer.js";

const page = "https://app.example.com";
const base = "https://id.example.com";

interface Reply {
  readonly status: number;
  readonly body: Readonly<Record<string, string>>;
  readonly text: string;
  /** `name=value` of the cookie that was set; the name alone when it was removed. */
  readonly cookie: string | undefined;
  readonly setCookie: string;
  readonly headers: Headers;
}

describe("The issuer's cookie", () => {
  let opened: TestIssuer;
  let server: Server;
  let url: string;

  beforeEach(async () => {
    opened = await openIssuer({ issuer: base, origins: [page], cookie: true });
    server = createServer(opened.issuer.handler).listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  });

  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });

  async function post(
    path: string,
    form: Record<string, string>,
    headers: Record<string, string> = { origin: page },
  ): Promise<Reply> {
    const body = new URLSearchParams(form);
    const response = await fetch(url + path, { method: "POST", body, headers });
    const text = await response.text();
    const setCookie = response.headers.get("set-cookie") ?? "";
    return {
      status: response.status,
      body: JSON.parse(text),
      text,
      cookie: setCookie.split(";")[0]?.replace(/=$/, "") || undefined,
      setCookie,
      headers: response.headers,
    };
  }

  const login = (headers?: Record<string, string>) =>
    post("/login", { username: "ada", password }, headers);
  const refresh = (cookie = "", headers: Record<string, string> = { origin: page }) =>
    post("/token", { grant_type: "refresh_token" }, { cookie, ...headers });

  it("keeps the refresh token of a page, which is in no body, and rotates there", async () => {
    const first = await login();
    expect(first.setCookie).to.match(
      /^__Host-jotwire-[\w-]{8}=[\w-]{22}\.[\w-]{48}; Path=\/; Max-Age=604800; HttpOnly; Secure; SameSite=Strict$/,
    );
    expect(first.body).to.have.all.keys("access_token", "token_type", "expires_in", "scope");
    const second = await refresh(`other=1; ${first.cookie}; more=2`);
    expect(second.status).to.equal(200);
    expect(second.body).to.have.all.keys("access_token", "token_type", "expires_in", "scope");
    expect(claimsOf(second.body.access_token ?? "").sub).to.equal("ada");
    expect(second.cookie)
      .to.match(/^__Host-jotwire-/)
      .and.not.equal(first.cookie);
    expect((await refresh(second.cookie)).status).to.equal(200);
    for (const { text, cookie = "" } of [first, second])
      expect(text).to.not.include(cookie.split("=")[1] ?? "none");
  });

  it("lets a page of the listed origins read answers with credentials, and no other", async () => {
    expect((await login()).headers.get("access-control-allow-credentials")).to.equal("true");
    const foreign = await login({ origin: "https://evil.example" });
    expect(foreign.status).to.equal(403);
    expect(foreign.headers.get("access-control-allow-credentials")).to.equal(null);
    expect(foreign.setCookie).to.equal("");
  });

  it("takes a cookie from pages of known origins alone: nothing is consumed for others", async () => {
    const { cookie } = await login();
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "https://other.example.com" },
      { origin: "null" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "cross-site" },
    ] as Record<string, string>[])
      for (const path of ["/token", "/logout"]) {
        const form = path === "/token" ? { grant_type: "refresh_token" } : { everywhere: "true" };
        const reply = await post(path, form, { cookie: cookie ?? "", ...headers });
        expect(reply.status, JSON.stringify([path, headers])).to.equal(403);
      }
    const silent = await refresh(cookie, {});
    expect([silent.status, silent.body.error]).to.deep.equal([400, "invalid_request"]);
    for (const headers of [
      { origin: base },
      { origin: "http://localhost:5173", "sec-fetch-site": "same-origin" }, // a proxy in between
    ]) {
      const again = await login(headers as Record<string, string>);
      expect((await refresh(again.cookie, headers as Record<string, string>)).status).to.equal(200);
    }
    expect((await refresh(cookie)).status).to.equal(200);
  });

  it("gives programs, which send no Origin, their refresh token in the body", async () => {
    const first = await login({});
    expect(first.setCookie).to.equal("");
    const use = { grant_type: "refresh_token", refresh_token: first.body.refresh_token ?? "" };
    expect((await post("/token", use, {})).body).to.have.property("refresh_token");
  });

  it("is neither set nor read for a page that keeps its refresh token itself", async () => {
    const kept = await post("/login", { username: "ada", password, cookie: "false" });
    expect(kept.setCookie).to.equal("");
    const own = { refresh_token: kept.body.refresh_token ?? "", cookie: "false" };
    const next = await post("/token", { grant_type: "refresh_token", ...own });
    expect([next.setCookie, next.status]).to.deep.equal(["", 200]);
    expect(next.body.refresh_token).to.match(/^[\w-]{22}\.[\w-]{48}$/);
    const { cookie = "" } = await login(); // of another page of the same origin
    const headers = { origin: page, cookie };
    const asked = await post("/token", { grant_type: "refresh_token", cookie: "false" }, headers);
    expect([asked.status, asked.body.error]).to.deep.equal([400, "invalid_request"]);
    const out = await post(
      "/logout",
      { refresh_token: next.body.refresh_token ?? "", cookie: "false" },
      headers,
    );
    expect([out.status, out.setCookie]).to.deep.equal([200, ""]);
    expect((await refresh(cookie)).status, "the cookie's login goes on").to.equal(200);
    const wrong = await post("/login", { username: "ada", password, cookie: "no" });
    expect([wrong.status, wrong.body.error]).to.deep.equal([400, "invalid_request"]);
  });

  it("says which option is missing, and to a page without a cookie that it must log in", async () => {
    expect((await refresh()).body).to.include({ error: "invalid_grant" });
    const plain = await openIssuer({ origins: [page] });
    const other = createServer(plain.issuer.handler).listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const reply = await fetch(`http://127.0.0.1:${port}/token`, {
      method: "POST",
      body: new URLSearchParams({ grant_type: "refresh_token" }),
      headers: { origin: page },
    });
    expect(await reply.json()).to.deep.equal({
      error: "invalid_request",
      error_description:
        "The parameter refresh_token is missing. For one in a cookie, set the option cookie of createIssuer.",
    });
    expect(reply.headers.get("access-control-allow-credentials")).to.equal(null);
    other.closeAllConnections();
    other.close();
  });

  it("logs out: the login has ended, and the cookie is removed", async () => {
    const { cookie } = await login();
    const other = await login();
    const out = await post("/logout", {}, { origin: page, cookie: cookie ?? "" });
    expect([out.status, out.text, out.cookie]).to.deep.equal([200, "{}", cookie?.split("=")[0]]);
    expect(out.setCookie).to.match(/; Max-Age=0; HttpOnly; Secure; SameSite=Strict$/);
    expect((await refresh(cookie)).body.error).to.equal("invalid_grant");
    expect((await refresh(other.cookie)).status).to.equal(200);
    expect((await post("/logout", {})).status, "without a cookie").to.equal(200);
  });

  it("signs out everywhere for a good refresh token alone, in a cookie or a body", async () => {
    const everywhere = (headers: Record<string, string>, form = {}) =>
      post("/logout", { everywhere: "true", ...form }, headers);
    for (const isPage of [true, false]) {
      const [own, other] = [await login(), await login({})];
      const token = other.body.refresh_token ?? "";
      const done = isPage
        ? await everywhere({ origin: page, cookie: own.cookie ?? "" })
        : await everywhere({}, { refresh_token: token });
      expect(done.status).to.equal(200);
      expect((await refresh(own.cookie)).status).to.equal(400);
      await rejectionOf(opened.issuer.renew(token));
      const spent = isPage
        ? await everywhere({ origin: page, cookie: own.cookie ?? "" })
        : await everywhere({}, { refresh_token: token });
      expect([spent.status, spent.body.error]).to.deep.equal([400, "invalid_grant"]);
      const again = await login(); // within the same second
      expect((await refresh(again.cookie)).status).to.equal(200);
    }
    for (const headers of [{ origin: page }, {}] as Record<string, string>[]) {
      const unknown = await everywhere(headers); // nobody is signed out
      expect([unknown.status, unknown.body.error]).to.deep.equal([400, "invalid_grant"]);
    }
    const wrong = await everywhere({ origin: page }, { everywhere: "yes" });
    expect(wrong.body.error).to.equal("invalid_request");
  });

  it("signs out everywhere for a JSON true; another parameter must be a string", async () => {
    const send = (body: object) =>
      fetch(`${url}/logout`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
    const [one, other] = [await login({}), await login({})];
    const token = one.body.refresh_token;
    expect((await send({ refresh_token: true, everywhere: true })).status).to.equal(400);
    expect((await send({ refresh_token: token, everywhere: 1 })).status).to.equal(400);
    expect((await send({ refresh_token: token, everywhere: true })).status).to.equal(200);
    await rejectionOf(opened.issuer.renew(other.body.refresh_token ?? ""));
  });

  it("an old refresh token signs nobody out everywhere", async () => {
    const first = await login({});
    const use = { grant_type: "refresh_token", refresh_token: first.body.refresh_token ?? "" };
    const second = await post("/token", use, {});
    const third = await post(
      "/token",
      { ...use, refresh_token: second.body.refresh_token ?? "" },
      {},
    );
    const out = await post("/logout", { ...use, everywhere: "true" }, {});
    expect(out.body.error).to.equal("invalid_grant");
    await opened.issuer.renew(third.body.refresh_token ?? "");
  });

  it("needs a list of pages: a server that any page may use gives no cookie", async () => {
    const rpc = createRpc();
    const attached = createRpcServer(rpc.router({}), {
      auth: opened.issuer,
      origins: ["*"],
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
    const { url: socketUrl } = await attached.listen(0);
    const reply = await fetch(new URL("/login", socketUrl.replace("ws", "http")), {
      method: "POST",
      body: new URLSearchParams({ username: "ada", password }),
      headers: { origin: page },
    });
    expect(reply.status).to.equal(403);
    expect(await reply.text()).to.include("needs a list of pages");
    expect(reply.headers.get("access-control-allow-credentials")).to.equal(null);
    await attached.close();
  });

  it("is not for a page of its host without TLS, which anybody in between can show", async () => {
    const bare = await openIssuer({ issuer: base, cookie: true }); // pages of its host
    const other = createServer(bare.issuer.handler).listen(0, "127.0.0.1");
    await once(other, "listening");
    const host = `127.0.0.1:${(other.address() as { port: number }).port}`;
    const ask = (origin: string) =>
      fetch(`http://${host}/login`, {
        method: "POST",
        body: new URLSearchParams({ username: "ada", password }),
        headers: { origin },
      });
    const [safe, bareOne] = [await ask(`https://${host}`), await ask(`http://${host}`)];
    expect(safe.status).to.equal(200);
    expect(safe.headers.get("set-cookie")).to.match(/^__Host-jotwire-/);
    expect(safe.headers.get("access-control-allow-credentials")).to.equal("true");
    expect(bareOne.status).to.equal(403);
    expect(bareOne.headers.get("set-cookie")).to.equal(null);
    expect(bareOne.headers.get("access-control-allow-credentials")).to.equal(null);
    other.closeAllConnections();
    other.close();
  });

  it("is refused where no browser would keep it", async () => {
    const { message } = await rejectionOf(
      openIssuer({ issuer: "http://id.example.com", cookie: true, store: memoryStore() }),
    );
    expect(message).to.include("needs an issuer with https, or on localhost");
    for (const issuer of ["http://localhost:8080", "http://127.0.0.1", "http://[::1]:1"])
      await openIssuer({ issuer, cookie: true, store: memoryStore() });
  });
});
