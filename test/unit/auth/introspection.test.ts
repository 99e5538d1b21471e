import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { CustomVerifier } from "../../../src/auth/custom-verifier.js";
import { type IntrospectionOptions, introspection } from "../../../src/auth/introspection.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { refusalOf } from "../../helpers/tokens/verification.js";

const now = new ManualClock().now() / 1_000;
const good = {
  ...{ active: true, token_type: "Bearer", sub: "ada", aud: "test", exp: now + 600, iat: now },
  ...{ scope: "read write", client_id: "c1", jti: "t1", sid: "s1" },
};

/** An authorization server that gives these answers, by token, and notes what it was asked. */
async function rigOf(
  answers: Readonly<Record<string, unknown>>,
  options: Partial<IntrospectionOptions> = {},
) {
  const asked: { readonly head: IncomingMessage; readonly body: string }[] = [];
  const http = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    asked.push({ head: request, body });
    const answer = answers[new URLSearchParams(body).get("token") ?? ""];
    if (typeof answer === "number") response.writeHead(answer, { Location: "/" }).end();
    else response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/introspect`;
  const clock = new ManualClock();
  const failures: string[] = [];
  const custom = new CustomVerifier(
    introspection({
      ...{ url, clientId: "api", clientSecret: "secret", audience: "test", testing: { clock } },
      ...options,
    }),
    { clock, onVerifyFailure: (_issuer, detail) => failures.push(detail) },
  );
  return {
    ...{ url, clock, asked, failures },
    verify: (token: string) => custom.verify(token, ""),
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

describe("Introspection (RFC 7662)", () => {
  it("reads the scopes in the member that is named, a nested one by its path", async () => {
    const answer = { ...good, scope: "openid", realm_access: { roles: ["read"] } };
    await using rig = await rigOf({ token: answer }, { scopesClaim: "realm_access.roles" });
    expect((await rig.verify("token"))?.scopes).to.deep.equal(["read"]);
    await using plain = await rigOf({ token: answer });
    expect((await plain.verify("token"))?.scopes).to.deep.equal(["openid"]);
  });

  it("posts the token as a form, with the client's id and secret encoded as RFC 6749 §2.3.1 says", async () => {
    await using rig = await rigOf(
      { "a token": good, "t&o=k+en": good },
      { clientId: "orders api", clientSecret: "p+ss:wörd%" },
    );
    await rig.verify("t&o=k+en");
    const [{ head, body } = expect.fail("nothing was asked")] = rig.asked;
    expect([head.method, head.url, head.headers["content-type"]]).to.deep.equal([
      ...["POST", "/introspect", "application/x-www-form-urlencoded"],
    ]);
    expect(body).to.equal("token=t%26o%3Dk%2Ben&token_type_hint=access_token");
    const basic = Buffer.from(head.headers.authorization?.slice(6) ?? "", "base64").toString();
    expect(basic).to.equal("orders+api:p%2Bss%3Aw%C3%B6rd%25");
  });

  it("says whose token it is, by the rules for an access token's claims", async () => {
    await using rig = await rigOf({
      opaque: good,
      strong: { ...good, acr: "mfa", auth_time: now - 9 },
    });
    expect(await rig.verify("strong")).to.deep.include({
      ...{ acrValues: ["mfa"], authenticatedAt: (now - 9) * 1_000 },
    });
    expect(await rig.verify("opaque")).to.deep.include({
      ...{ issuer: new URL(rig.url).origin, subject: "ada", scopes: ["read", "write"] },
      ...{ expiresAt: (now + 600) * 1_000, issuedAt: now * 1_000, claims: good },
      ...{ tokenId: "t1", sessionId: "s1", clientId: "c1" },
    });
  });

  it("takes what Keycloak and others write: typ instead of token_type, several audiences, nbf 0", async () => {
    const { token_type: _, ...untyped } = good;
    await using rig = await rigOf({
      keycloak: { ...untyped, typ: "Bearer", aud: ["account", "test"], nbf: 0, azp: "web" },
      hydra: { ...good, token_use: "access_token", token_type: "bearer" },
      jti: { ...good, jti: "jti" },
    });
    for (const token of ["keycloak", "hydra"])
      expect(await rig.verify(token), token).to.include({ subject: "ada", tokenId: "t1" });
    expect(await rig.verify("jti"), "the token is no id").to.include({ tokenId: undefined });
  });

  it("refuses an inactive token, and an active one that is no access token for this API", async () => {
    const { token_type: _, ...untyped } = good;
    const { exp: __, ...endless } = good;
    await using rig = await rigOf({
      inactive: { active: false },
      refresh: { active: true, sub: "ada", aud: "test", exp: now + 600 },
      ...{ untyped, endless },
      "keycloak-refresh": { ...untyped, typ: "Refresh" },
      "hydra-refresh": { ...good, token_use: "refresh_token" },
      dpop: { ...good, token_type: "DPoP" },
      bound: { ...good, cnf: { jkt: "x" } },
      "id-token": { ...good, at_hash: "x" },
      foreign: { ...good, aud: "other" },
      nameless: { ...good, sub: undefined },
      early: { ...good, nbf: now + 600 },
    });
    expect(await rig.verify("inactive")).to.equal(null);
    for (const [token, expected] of [
      ["refresh", /no token_type, as of a refresh token/],
      ["untyped", /set allowUntyped/],
      ["endless", /no exp; to accept such tokens, set maxAge/],
      ["keycloak-refresh", /token_type is "Refresh"/],
      ["hydra-refresh", /token_use is "refresh_token"/],
      ["dpop", /token_type is "DPoP"/],
      ["bound", /bound to a key/],
      ["id-token", /not an access token/],
      ["foreign", /aud is "other", expected "test"/],
      ["nameless", /sub is missing/],
      ["early", /nbf is in the future/],
    ] as const) {
      const { code, detail } = await refusalOf(rig.verify(token));
      expect(code, token).to.equal("token_invalid");
      expect(detail, token).to.match(expected);
    }
    expect(rig.failures).to.deep.equal([]);
  });

  it("refuses an expired answer as expired", async () => {
    await using rig = await rigOf({ over: { ...good, exp: now } });
    expect((await refusalOf(rig.verify("over"))).code).to.equal("token_expired");
  });

  it("accepts what its options allow: untyped answers, any audience, another subject, no exp", async () => {
    const { token_type: _, exp: __, aud: ___, sub: ____, ...little } = good;
    await using rig = await rigOf(
      { opaque: little, long: { ...little, exp: now + 600 }, short: { ...little, exp: now + 6 } },
      {
        ...{ audience: undefined as never, allowUntyped: true, maxAge: 60_000 },
        subject: ({ client_id }) => String(client_id),
        scopes: () => ["all"],
        issuer: "https://id.test",
      },
    );
    expect(await rig.verify("opaque")).to.deep.include({
      ...{ issuer: "https://id.test", subject: "c1", scopes: ["all"] },
      expiresAt: now * 1_000 + 60_000,
    });
    expect(await rig.verify("long")).to.include({ expiresAt: now * 1_000 + 60_000 });
    expect(await rig.verify("short")).to.include({ expiresAt: now * 1_000 + 6_000 });
  });

  it("takes the answer of one issuer alone when it is named", async () => {
    await using rig = await rigOf(
      { own: { ...good, iss: "https://id.test" }, silent: good, other: { ...good, iss: "x" } },
      { issuer: "https://id.test" },
    );
    for (const token of ["own", "silent"])
      expect(await rig.verify(token)).to.include({ issuer: "https://id.test" });
    expect((await refusalOf(rig.verify("other"))).detail).to.equal("iss is another issuer");
  });

  it("asks again after 10 s, or as often as cacheFor says", async () => {
    await using rig = await rigOf({ opaque: good });
    await rig.verify("opaque");
    rig.clock.advance(9_999);
    await rig.verify("opaque");
    expect(rig.asked).to.have.lengthOf(1);
    rig.clock.advance(1);
    await rig.verify("opaque");
    expect(rig.asked).to.have.lengthOf(2);
    await using never = await rigOf({ opaque: good }, { cacheFor: 0 });
    await never.verify("opaque");
    await never.verify("opaque");
    expect(never.asked).to.have.lengthOf(2);
  });

  it("uses no cached answer beyond the token's exp", async () => {
    await using rig = await rigOf({ opaque: { ...good, exp: now + 5 } });
    await rig.verify("opaque");
    rig.clock.advance(5_000);
    expect((await refusalOf(rig.verify("opaque"))).code).to.equal("token_expired");
  });

  it("is no verdict when the server is away, refuses us, redirects, or answers with something else", async () => {
    await using rig = await rigOf({
      ...{ 401: 401, 403: 403, 404: 404, 500: 500, 302: 302 },
      html: "<html>",
      list: "[]",
      large: `{"active":true,"x":"${"x".repeat(262_144)}"}`,
      unsure: { active: "true" },
      twice: '{"active":false,"active":true}',
    });
    for (const [token, expected] of [
      ["401", /HTTP 401: are clientId and clientSecret right/],
      ["403", /HTTP 403: are clientId and clientSecret right/],
      ["404", /no introspection endpoint/],
      ["500", /HTTP 500/],
      ["302", /redirect/],
      ["html", /not valid JSON/],
      ["list", /not a JSON object/],
      ["large", /larger than 262144 bytes/],
      ["unsure", /did not say active/],
      ["twice", /a member appears twice/],
    ] as const) {
      const { code, detail } = await refusalOf(rig.verify(token));
      expect(code, token).to.equal("auth_unavailable");
      expect(detail, token).to.match(expected);
    }
    const { url } = rig;
    await rig[Symbol.asyncDispose]();
    await using away = await rigOf({}, { url });
    expect((await refusalOf(away.verify("opaque"))).code).to.equal("auth_unavailable");
  });

  it("asks by a fetch of the application, which must follow no redirect", async () => {
    const calls: RequestInit[] = [];
    const fetch = (async (_url: URL, init: RequestInit) => {
      calls.push(init);
      return Response.json(good);
    }) as typeof globalThis.fetch;
    await using rig = await rigOf({}, { fetch, url: "https://id.example.com/introspect" });
    expect(await rig.verify("opaque")).to.include({ issuer: "https://id.example.com" });
    expect(calls[0]).to.deep.include({
      ...{ method: "POST", redirect: "error" },
      body: "token=opaque&token_type_hint=access_token",
    });
  });

  it("asks no host by http, nor one with a private address, unless that is allowed", async () => {
    const options = { clientId: "api", clientSecret: "secret" };
    for (const url of ["http://id.example.com/introspect", "ftp://id.example.com", "no URL", ""])
      expect(() => introspection({ ...options, url }), url).to.throw(
        TypeError,
        /introspection: url/,
      );
    expect(() => introspection({ ...options, url: "https://a:b@id.example.com" })).to.throw(
      TypeError,
    );
    await using rig = await rigOf({}, { url: "https://10.0.0.1/introspect" });
    expect((await refusalOf(rig.verify("opaque"))).detail).to.match(/set allowPrivateHosts/);
    expect(() =>
      introspection({ ...options, url: "http://keycloak:8080/x", allowPrivateHosts: true }),
    ).to.not.throw();
  });

  it("refuses options that can't be used, at the start", () => {
    const options = { url: "https://id.example.com", clientId: "api", clientSecret: "secret" };
    for (const [more, expected] of [
      [{ clientId: "" }, /clientId/],
      [{ clientSecret: undefined }, /clientSecret/],
      [{ audience: [] }, /audience/],
      [{ audience: "" }, /audience/],
      [{ subject: "sub" }, /subject must be a function/],
      [{ scopes: ["read"] }, /scopes must be a function/],
      [{ scopesClaim: [] }, /^introspection\.scopesClaim must be the name of a claim/],
      [{ acrClaim: [] }, /^introspection\.acrClaim must be the name of a claim/],
      [{ authTimeClaim: 5 }, /^introspection\.authTimeClaim must be the name of a claim/],
      [{ scopesClaim: "roles", scopes: () => [] }, /give one of scopes and scopesClaim/],
      [{ fetch: "no" }, /fetch must be a function/],
      [{ maxAge: 0 }, /maxAge/],
      [{ maxAge: Number.POSITIVE_INFINITY }, /maxAge/],
      [{ cacheFor: -1 }, /cacheFor/],
      [{ cacheFor: 60_001 }, /cacheFor/],
      [{ audiense: "x" }, /did you mean "audience"/],
    ] as const)
      expect(() => introspection({ ...options, ...more } as never), String(expected)).to.throw(
        TypeError,
        expected,
      );
  });
});
