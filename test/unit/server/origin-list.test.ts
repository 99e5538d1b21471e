import type { IncomingMessage } from "node:http";
import { expect } from "chai";
import { OriginList } from "../../../src/server/admission/origin-list.js";

function request(
  origin: string | undefined,
  host = "api.example.com",
  times = 1,
  sight: { readonly encrypted?: true; readonly remoteAddress?: string } = {},
): IncomingMessage {
  const headers = origin === undefined ? { host } : { host, origin };
  const rawHeaders = Array.from({ length: times }, () => ["Origin", origin ?? ""]).flat();
  const socket = { remoteAddress: "192.0.2.9", ...sight };
  return { headers, rawHeaders, socket } as unknown as IncomingMessage;
}

describe("the list of origins", () => {
  const list = new OriginList([
    "https://app.example.com",
    "http://localhost:3000",
    "https://*.shop.example",
  ]);

  for (const origin of [
    "https://app.example.com",
    "http://localhost:3000",
    "https://a.shop.example",
  ]) {
    it(`lets ${origin} in`, () => expect(list.allows(request(origin))).to.equal(true));
  }

  for (const origin of [
    "https://app.example.com.evil",
    "https://evilapp.example.com",
    "http://app.example.com",
    "HTTPS://app.example.com",
    "https://app.example.com:8443",
    "http://localhost",
    "https://shop.example",
    "https://a.b.shop.example",
    "https://.shop.example",
    "http://ab.shop.example",
    "wss://a.shop.example",
    "https://evil/.shop.example",
    "null",
    "",
  ]) {
    it(`keeps ${JSON.stringify(origin)} out`, () =>
      expect(list.allows(request(origin))).to.equal(false));
  }

  it("lets in what comes from no page", () =>
    expect(list.allows(request(undefined))).to.equal(true));

  it("keeps out a request with two origins", () =>
    expect(list.allows(request("https://app.example.com", "api.example.com", 2))).to.equal(false));

  it("that was not given allows the same host and port", () => {
    const same = new OriginList(undefined);
    expect(same.allows(request("https://api.example.com"))).to.equal(true);
    expect(same.allows(request("http://localhost:8080", "localhost:8080"))).to.equal(true);
    expect(same.allows(request("http://localhost:8081", "localhost:8080"))).to.equal(false);
    expect(same.allows(request("https://api.example.com.evil"))).to.equal(false);
    expect(same.allows(request("https://evil-api.example.com"))).to.equal(false);
    expect(same.allows(request("wss://api.example.com"))).to.equal(false);
    expect(
      same.allowsOrigin("https://api.example.com", { headers: {} } as IncomingMessage),
      "no Host: no same one",
    ).to.equal(false);
  });

  it("lets in the server's own origin under TLS, default ports and a slash at the end apart", () => {
    const tls = { encrypted: true } as const;
    for (const [origin, host] of [
      ["https://api.example.com", "api.example.com"],
      ["https://api.example.com/", "api.example.com"],
      ["https://api.example.com", "api.example.com:443"],
      ["http://api.example.com:80", "api.example.com"],
    ] as const)
      expect(list.allows(request(origin, host, 1, tls)), `${origin} ${host}`).to.equal(true);
    for (const [origin, host] of [
      ["https://api.example.com:80", "api.example.com"],
      ["http://api.example.com:8080", "api.example.com"],
      ["https://api.example.com/page", "api.example.com"],
      ["https://api.example.com.", "api.example.com"],
    ] as const)
      expect(list.allows(request(origin, host, 1, tls)), `${origin} ${host}`).to.equal(false);
  });

  it("lets in the server's own origin where no other site can have its name resolve to it", () => {
    for (const host of ["10.0.2.2:8080", "localhost:8080", "[2001:db8::1]:8080", "127.0.0.1"])
      expect(list.allows(request(`http://${host}`, host)), host).to.equal(true);
    expect(list.allows(request("http://evil.example:8080", "evil.example:8080"))).to.equal(false);
    const behindProxy = new OriginList(["https://app.example.com"], (peer) => peer === "10.0.0.1");
    const of = (remoteAddress: string) =>
      behindProxy.allows(request("https://api.example.com", undefined, 1, { remoteAddress }));
    expect([of("10.0.0.1"), of("10.0.0.2")]).to.deep.equal([true, false]);
  });

  it("may name local files, any port, and every page", () => {
    const allows = (entry: string, origin: string) =>
      new OriginList([entry]).allows(request(origin));
    expect(allows("file://", "file://")).to.equal(true);
    expect(allows("file://", "file:///etc")).to.equal(false);
    for (const origin of ["http://localhost", "http://localhost:5173"])
      expect(allows("http://localhost:*", origin), origin).to.equal(true);
    for (const origin of [
      "https://localhost:5173",
      "http://localhost.evil.test:5173",
      "http://localhost:51730:1",
      "http://evil.test:5173",
    ])
      expect(allows("http://localhost:*", origin), origin).to.equal(false);
    expect(allows("https://*.shop.example:*", "https://a.shop.example:8443")).to.equal(true);
    expect(allows("*", "https://anybody.test")).to.equal(true);
  });

  it("that is empty keeps all pages out", () =>
    expect(new OriginList([]).allows(request("https://api.example.com"))).to.equal(false));

  it("lets null in only when it says so", () =>
    expect(new OriginList(["null"]).allows(request("null"))).to.equal(true));

  for (const wrong of [
    "app.example.com",
    "https://app.example.com/",
    "https://App.example.com ",
    "https://*",
    "https://*:*",
    "https://",
    "http://localhost:*/",
  ]) {
    it(`does not take ${JSON.stringify(wrong)} for an origin`, () =>
      expect(() => new OriginList([wrong])).to.throw(TypeError, "origins"));
  }
});
