import { createHash } from "node:crypto";
import { once } from "node:events";
import { get as httpGet, type IncomingMessage } from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { expect } from "chai";
import { rawRequest } from "../helpers/network/raw-request.js";
import { sampleApp, startServer } from "../helpers/server/test-server.js";
import { openIssuer, password } from "../helpers/tokens/test-issuer.js";

const urlOf = (url: string) => url.replace(/^ws/, "http").replace(/\/rpc$/, "/console");

describe("The console's page", () => {
  it("is not there unless the option asks for it", async () => {
    await using off = await startServer(sampleApp());
    expect((await fetch(urlOf(off.url))).status).to.equal(404);
    await using on = await startServer(sampleApp(), { console: true });
    const answer = await fetch(urlOf(on.url));
    expect(answer.status).to.equal(200);
    expect(answer.headers.get("content-type")).to.equal("text/html; charset=utf-8");
    expect((await fetch(urlOf(on.url), { method: "POST" })).status).to.equal(405);
  });

  it("runs its own script and style only, asks its own origin only, and is framed by nobody", async () => {
    await using server = await startServer(sampleApp(), { console: true });
    const answer = await fetch(urlOf(server.url));
    const page = await answer.text();
    const policy = answer.headers.get("content-security-policy") ?? "";
    const hashOf = (tag: RegExp) =>
      createHash("sha256")
        .update(tag.exec(page)?.[1] ?? "")
        .digest("base64");
    expect(policy.split("; ")).to.include.members([
      "default-src 'none'",
      `script-src 'sha256-${hashOf(/<script type="module">([\s\S]*)<\/script>/)}'`,
      `style-src 'sha256-${hashOf(/<style>([\s\S]*)<\/style>/)}'`,
      "connect-src 'self'",
      "frame-ancestors 'none'",
      "form-action 'none'",
      "base-uri 'none'",
      "require-trusted-types-for 'script'",
    ]);
    expect(policy).to.not.match(/unsafe|https?:|\*/);
    expect(page.match(/<script/g)).to.have.lengthOf(1);
    expect(page).to.not.match(/<(script|link|img)[^>]* (src|href)="(?!data:)/);
    expect(answer.headers.get("x-frame-options")).to.equal("DENY");
    expect(answer.headers.get("referrer-policy")).to.equal("no-referrer");
  });

  it("is kept by browsers, and asked about every time", async () => {
    await using server = await startServer(sampleApp(), { console: true });
    const first = await fetch(urlOf(server.url));
    const tag = first.headers.get("etag") ?? "";
    expect(first.headers.get("cache-control")).to.equal("no-cache");
    const again = await fetch(urlOf(server.url), { headers: { "If-None-Match": tag } });
    expect([again.status, await again.text()]).to.deep.equal([304, ""]);
    const changed = await fetch(urlOf(server.url), { headers: { "If-None-Match": '"another"' } });
    expect(changed.status).to.equal(200);
    const head = await fetch(urlOf(server.url), { method: "HEAD" });
    expect([head.status, await head.text(), head.headers.get("etag")]).to.deep.equal([
      200,
      "",
      tag,
    ]);
  });

  it("is compressed for whoever takes that, with a tag for each encoding", async () => {
    await using server = await startServer(sampleApp(), { console: true });
    const ask = (headers: Record<string, string>, method = "GET") =>
      rawRequest(server.url.replace(/^ws/, "http"), "/console", { method, headers });
    const plain = await ask({});
    expect(plain.headers).to.include({ vary: "Accept-Encoding" });
    expect(plain.headers).to.not.have.property("content-encoding");
    const tags = new Set([plain.headers.etag]);
    for (const [accepted, encoding, decode] of [
      ["gzip, deflate, br, zstd", "br", brotliDecompressSync],
      ["*", "br", brotliDecompressSync],
      ["gzip, br;q=0", "gzip", gunzipSync],
      ["GZIP;q=0.5, br; q=0.4", "gzip", gunzipSync],
    ] as const) {
      const answer = await ask({ "accept-encoding": accepted });
      expect(answer.headers, accepted).to.include({
        "content-encoding": encoding,
        vary: "Accept-Encoding",
        "content-length": String(answer.body.length),
        "content-security-policy": plain.headers["content-security-policy"],
      });
      expect(answer.body.length).to.be.below(plain.body.length * 0.4);
      expect(decode(answer.body).equals(plain.body)).to.equal(true);
      const head = await ask({ "accept-encoding": accepted }, "HEAD");
      expect([head.status, head.body.length]).to.deep.equal([200, 0]);
      expect({ ...head.headers, date: "" }).to.deep.equal({ ...answer.headers, date: "" });
      tags.add(answer.headers.etag);
      const known = `"other", W/${answer.headers.etag}`;
      const again = await ask({ "accept-encoding": accepted, "if-none-match": known });
      expect([again.status, again.body.length]).to.deep.equal([304, 0]);
      expect(again.headers).to.include({ etag: answer.headers.etag, vary: "Accept-Encoding" });
    }
    expect(tags.size).to.equal(3);
    for (const accepted of ["", "identity", "deflate", "br;q=0, gzip;q=0", "*;q=0", "br;q=high"]) {
      const answer = await ask({ "accept-encoding": accepted });
      expect(answer.headers, accepted).to.not.have.property("content-encoding");
      expect(answer.body.equals(plain.body), accepted).to.equal(true);
    }
  });

  it("is all that is compressed: no answer with a secret in it", async () => {
    const { issuer } = await openIssuer({ issuer: "http://localhost:8080", cookie: true });
    await using server = await startServer(sampleApp(), { console: true, auth: issuer });
    const base = server.url.replace(/^ws/, "http");
    const headers = { "accept-encoding": "br, gzip", "content-type": "application/json" };
    const login = await rawRequest(base, "/login", {
      method: "POST",
      headers,
      body: JSON.stringify({ username: "ada", password }),
    });
    expect(JSON.parse(String(login.body))).to.have.property("access_token");
    const discovery = await rawRequest(base, "/openrpc.json", { headers });
    for (const answer of [login, discovery])
      expect(answer.headers).to.not.have.any.keys("content-encoding", "etag");
  });

  it("knows where the socket is, and logins only where there is an issuer", async () => {
    const { issuer } = await openIssuer({ issuer: "http://localhost:8080/id" });
    await using embedded = await startServer(sampleApp(), {
      console: true,
      auth: issuer,
      path: '/a"b',
    });
    const at = (url: string) => new URL("/console", url.replace(/^ws/, "http"));
    expect(await (await fetch(at(embedded.url))).text()).to.include(
      '<html data-rpc="/a&quot;b" data-issuer="/id" lang="en">',
    );
    await using foreign = await startServer(sampleApp(), { console: true });
    expect(await (await fetch(at(foreign.url))).text()).to.include(
      '<html data-rpc="/rpc" lang="en">',
    );
    await issuer.close();
  });

  it("is refused under a name from which its socket would be refused, and says what to change", async () => {
    await using server = await startServer(sampleApp(), {
      console: true,
      origins: ["https://app.example.com"],
    });
    const refused = await get(urlOf(server.url), "evil.example");
    expect(refused).to.deep.include({ status: 403, caching: "no-store" });
    expect(refused.text).to.include("`origins`");
    expect(await get(urlOf(server.url), "app.example.com")).to.deep.include({
      status: 200,
      caching: "no-cache",
    });
    expect(await get(urlOf(server.url), "app.example.com:8443")).to.deep.include({ status: 403 });
  });
});

/** `fetch` doesn't let us choose the Host. */
async function get(
  url: string,
  host: string,
): Promise<{ status: number | undefined; caching: string | undefined; text: string }> {
  const request = httpGet(url, { headers: { host } });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, caching: response.headers["cache-control"], text };
}
