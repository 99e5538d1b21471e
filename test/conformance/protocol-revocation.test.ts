import { expect } from "chai";
import { describe, it } from "mocha";
import type { RevocationSelector } from "../../src/index.js";
import { memoryStore } from "../../src/issuer/index.js";
import { expectClose, expectError } from "../helpers/server/expected.js";
import { ask, leftovers, request, resultOf, told } from "../helpers/server/frames.js";
import { protocolApp } from "../helpers/server/protocol-app.js";
import { startTimed } from "../helpers/server/timed-server.js";

type Claims = Readonly<Record<string, unknown>>;

async function startRevoking(limits = {}) {
  const { app, ...seen } = protocolApp();
  const server = await startTimed(app, { limits });
  const isRefused = async (claims: Claims): Promise<boolean> => {
    const client = await server.connect();
    const answer = await ask(client, "authenticate", { token: server.token(claims) });
    if (answer.error === undefined) return false;
    expectError(answer, "token_revoked");
    return true;
  };
  return { ...server, ...seen, isRefused };
}

/** What is revoked, claims that it hits, and claims that it spares. */
const selectors: readonly (readonly [string, RevocationSelector, Claims, readonly Claims[]])[] = [
  ["jti", { jti: "t1" }, { jti: "t1" }, [{ jti: "t2" }, { sid: "t1" }, { sub: "t1" }]],
  [
    "sessionId, which is the token's sid",
    { sessionId: "s1" },
    { sid: "s1" },
    [{ sid: "s2" }, { jti: "s1" }, {}],
  ],
  [
    "subject",
    { subject: "user-1" },
    { sub: "user-1" },
    [{ sub: "user-2" }, { sub: "user-2", jti: "user-1", sid: "user-1" }],
  ],
];

describe("Protocol §10, revocation", () => {
  for (const [name, selector, hit, spared] of selectors) {
    it(`by ${name}: live connections are closed 4401, and the tokens are -32005 at authenticate`, async () => {
      await using server = await startRevoking({
        failedAuthCalls: Number.POSITIVE_INFINITY,
        unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY,
      });
      const victims = [await server.login(hit), await server.login(hit)];
      const others = [];
      for (const claims of spared) others.push(await server.login(claims));
      await server.server.revoke(selector);
      for (const client of victims) await expectClose(client, "token_revoked");
      for (const client of others)
        expect(await resultOf(client, "whoami")).to.include({ state: "active" });
      expect(await server.isRefused(hit)).to.equal(true);
      for (const claims of spared)
        expect(await server.isRefused(claims), JSON.stringify(claims)).to.equal(false);
    });
  }

  it("issuedBefore is a Date or milliseconds, and compares iat <= t", async () => {
    await using server = await startRevoking();
    const t = server.seconds();
    server.clock.advance(10_000);
    const [old, same, young] = [
      await server.login({ iat: t - 1 }),
      await server.login({ iat: t }),
      await server.login({ iat: t + 1 }),
    ];
    await server.server.revoke({ subject: "user-1", issuedBefore: new Date(t * 1_000) });
    await expectClose(old, "token_revoked");
    await expectClose(same, "token_revoked");
    expect(await resultOf(young, "whoami")).to.include({ state: "active" });
    expect(await server.isRefused({ iat: t })).to.equal(true);
    expect(await server.isRefused({ iat: t + 1 })).to.equal(false);
    await server.server.revoke({ subject: "user-1", issuedBefore: (t + 1) * 1_000 });
    await expectClose(young, "token_revoked");
  });

  it("only the tokens of the issuer that is named are revoked", async () => {
    await using server = await startRevoking();
    await server.server.revoke({ jti: "t1", issuer: "https://other.test" });
    expect(await server.isRefused({ jti: "t1" })).to.equal(false);
    await server.server.revoke({ jti: "t1", issuer: "https://id.test" });
    expect(await server.isRefused({ jti: "t1" })).to.equal(true);
  });

  it("is checked at refresh, and the session that is in force lives on", async () => {
    await using server = await startRevoking();
    const client = await server.login({ jti: "t1" });
    server.clock.advance(1_000);
    await server.server.revoke({ jti: "t2" });
    expectError(
      await ask(client, "refresh", { token: server.token({ jti: "t2" }) }),
      "token_revoked",
    );
    expectError(
      await ask(client, "authenticate", { token: server.token({ jti: "t2" }) }),
      "token_revoked",
    );
    expect(await resultOf(client, "whoami")).to.include({ state: "active", expiresIn: 899 });
    expect(await resultOf(client, "refresh", { token: server.token({ jti: "t3" }) })).to.include({
      changed: true,
    });
  });

  it("is in force at once: no request and no push gets through between the call and the close", async () => {
    await using server = await startRevoking();
    const client = await server.login({ jti: "t1" });
    const durable = server.server.revoke({ jti: "t1" });
    client.send(request(1, "tell"), request(2, "echo"));
    const { before } = await expectClose(client, "token_revoked");
    expect(
      before.filter(({ result, method }) => result !== undefined || method === "news"),
    ).to.deep.equal([]);
    expect(server.ran).to.deep.equal([]);
    await durable;
  });

  it("ends an expired session too, whose refresh must not revive it", async () => {
    await using server = await startRevoking();
    const client = await server.login();
    server.clock.advance(900_000);
    await leftovers(client);
    await server.server.revoke({ subject: "user-1" });
    await expectClose(client, "token_revoked");
  });

  it("a selector that names nothing, or several things, is an error, and revokes nothing", async () => {
    await using server = await startRevoking();
    const client = await server.login();
    const wrong: unknown[] = [
      {},
      { jti: "" },
      { jti: 1 },
      { jti: "a", subject: "b" },
      { subject: undefined },
      { issuedBefore: 1 },
      { jti: "a", issuedBefore: 2e12 },
      { subject: "a", issuedBefore: 2e9 }, // seconds
      { subject: "a", issuedBefore: new Date(Number.NaN) },
    ];
    for (const selector of wrong) {
      const failure = await server.server.revoke(selector as RevocationSelector).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(failure, JSON.stringify(selector)).to.be.an.instanceOf(TypeError);
    }
    expect(await resultOf(client, "whoami")).to.include({ state: "active" });
  });

  it("survives a restart of the server, and reaches another one, through their store", async () => {
    const store = memoryStore();
    const keysOf = await startTimed(protocolApp().app);
    const auth = { issuer: "https://id.test", audience: "test", publicKey: keysOf.keys.publicJwk };
    const first = await startTimed(protocolApp().app, { auth, store });
    await using second = await startTimed(protocolApp().app, { auth, store });
    const client = await second.connect();
    await client.authenticate(keysOf.token({ jti: "t1", iat: second.seconds() }));
    await first.server.revoke({ jti: "t1" });
    await expectClose(client, "token_revoked");
    await first.close();
    await using third = await startTimed(protocolApp().app, { auth, store });
    const answer = await ask(await third.connect(), "authenticate", {
      token: keysOf.token({ jti: "t1" }),
    });
    expectError(answer, "token_revoked");
    await keysOf.close();
  });
});

describe("Protocol §10, revocation with a margin", () => {
  it("margin is in milliseconds: live connections are told auth.refreshRequired, work on, and are closed 4401 when it is over", async () => {
    await using server = await startRevoking();
    const client = await server.login({ jti: "t1" });
    await server.server.revoke({ jti: "t1" }, { margin: 20_000, reason: "left the company" });
    expect(await told(client, "auth.refreshRequired")).to.deep.equal({
      within: 20,
      reason: "left the company",
    });
    expect((await ask(client, "echo", [1])).result).to.deep.equal([1]);
    expect(await server.isRefused({ jti: "t1" }), "no new connection with it").to.equal(true);
    server.clock.advance(19_999);
    expect((await ask(client, "echo", [1])).result).to.deep.equal([1]);
    server.clock.advance(1);
    await expectClose(client, "token_revoked");
  });

  it("is told once, whatever else is revoked meanwhile, and again when it will be sooner", async () => {
    await using server = await startRevoking();
    const client = await server.login({ jti: "t1" });
    await server.server.revoke({ jti: "t1" }, { margin: 20_000 });
    expect(await told(client, "auth.refreshRequired")).to.include({ within: 20 });
    await server.server.revoke({ jti: "another" });
    await server.server.revoke({ subject: "user-1" }, { margin: 20_000 });
    await server.server.revoke({ subject: "user-1" }, { margin: 30_000 });
    expect(await leftovers(client)).to.deep.equal([]);
    await server.server.revoke({ subject: "user-1" }, { margin: 10_000 });
    expect(await told(client, "auth.refreshRequired")).to.include({ within: 10 });
    server.clock.advance(10_000);
    await expectClose(client, "token_revoked");
  });

  it("auth.refreshRequired has a reason also when none was given", async () => {
    await using server = await startRevoking();
    const client = await server.login({ jti: "t1" });
    await server.server.revoke({ jti: "t1" }, { margin: 20_000 });
    const params = await told(client, "auth.refreshRequired");
    expect(params).to.have.all.keys("within", "reason");
    expect(params.reason).to.be.a("string").and.not.equal("");
  });

  it("a refresh with a token that is not revoked saves the session", async () => {
    await using server = await startRevoking();
    const client = await server.login({ jti: "t1" });
    await server.server.revoke({ jti: "t1" }, { margin: 20_000 });
    await told(client, "auth.refreshRequired");
    server.clock.advance(5_000);
    expectError(
      await ask(client, "refresh", { token: server.token({ jti: "t1" }) }),
      "token_revoked",
    );
    expect(await resultOf(client, "refresh", { token: server.token({ jti: "t2" }) })).to.include({
      changed: true,
    });
    server.clock.advance(60_000);
    expect(await resultOf(client, "whoami")).to.include({ state: "active" });
  });

  it("a revocation without a margin, of the same or of another kind, ends the session at once all the same", async () => {
    const urgent: readonly RevocationSelector[] = [
      { jti: "t1" },
      { sessionId: "s1" },
      { subject: "user-1" },
      { subject: "user-1", issuedBefore: 2e12 },
    ];
    const patient: readonly RevocationSelector[] = [
      { jti: "t1" },
      { sessionId: "s1" },
      { subject: "user-1" },
      { jti: "t1", issuer: "https://id.test" },
    ];
    for (const [index, first] of patient.entries()) {
      for (const second of [...urgent.slice(index), ...urgent.slice(0, index)]) {
        await using server = await startRevoking();
        const client = await server.login({ jti: "t1", sid: "s1" });
        await server.server.revoke(first, { margin: 600_000 });
        await told(client, "auth.refreshRequired");
        await server.server.revoke(second);
        const { state } =
          (await Promise.race([ask(client, "whoami"), client.closed.then(() => undefined)]))
            ?.result ?? {};
        expect(state, `${JSON.stringify(first)}, then ${JSON.stringify(second)}`).to.not.equal(
          "active",
        );
      }
    }
  });

  it("an expired session is told too, and may refresh until the margin is over", async () => {
    await using server = await startRevoking();
    const client = await server.login({ jti: "t1" });
    server.clock.advance(900_000);
    await leftovers(client);
    await server.server.revoke({ jti: "t1" }, { margin: 20_000, reason: "keys leaked" });
    expect(await told(client, "auth.refreshRequired")).to.deep.equal({
      within: 20,
      reason: "keys leaked",
    });
    expect(await resultOf(client, "refresh", { token: server.token({ jti: "t2" }) })).to.include({
      changed: true,
    });
  });

  it("a session that expires meanwhile is closed when the margin is over", async () => {
    await using server = await startRevoking();
    const client = await server.login({ jti: "t1", exp: server.seconds() + 9 });
    await server.server.revoke({ jti: "t1" }, { margin: 20_000 });
    await told(client, "auth.refreshRequired");
    server.clock.advance(9_000);
    await told(client, "auth.expired");
    server.clock.advance(11_000);
    const state = await Promise.race([
      ask(client, "whoami").then(({ result }) => result?.state),
      client.closed.then(() => "closed"),
    ]);
    expect(state).to.equal("closed");
    expect(await client.closed).to.deep.equal({ code: 4401, reason: "token_revoked" });
  });
});
