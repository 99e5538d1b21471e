import { expect } from "chai";
import { z } from "zod";
import { createRpc, createTokenVerifier, TokenRefusedError } from "../../src/index.js";
import { createIssuer, memoryStore } from "../../src/issuer/index.js";
import { redisStore } from "../../src/store/redis/index.js";
import { eventually } from "../helpers/eventually.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { hasRedis, RedisServer } from "../helpers/redis/redis-server.js";
import { requires } from "../helpers/requirement.js";
import { ask } from "../helpers/server/frames.js";
import { recordingLogger, sampleApp, startServer } from "../helpers/server/test-server.js";
import { startTimed } from "../helpers/server/timed-server.js";
import { CheapHasher } from "../helpers/tokens/cheap-hasher.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";
import { refusalOf } from "../helpers/tokens/verification.js";

const keys = createTestKeys();
const auth = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk };
const { logger } = recordingLogger();

describe("server.verify", () => {
  it("says whose token it is, as a handler's auth does", async () => {
    const claims = z.object({ plan: z.string().default("free") });
    const rpc = createRpc({ claims });
    const app = rpc.router({ whose: rpc.method({ handler: ({ auth }) => auth }) });
    await using server = await startServer(app);
    const token = server.token({ sub: "ada", scope: "read", sid: "s1", jti: "t1" });
    const client = await server.connect();
    await client.authenticate(token);
    const { result } = await client.call("whose");
    const verified = await server.server.verify(token);
    expect(JSON.parse(JSON.stringify(verified))).to.deep.equal(result);
    expect(verified).to.deep.include({
      ...{ issuer: "https://id.test", subject: "ada", scopes: ["read"], claims: { plan: "free" } },
      ...{ sessionId: "s1", tokenId: "t1", clientId: "client-1" },
    });
    expect(verified.expiresAt).to.be.greaterThan(Date.now());
  });

  it("rejects with TokenRefusedError for the reasons for which a session is refused or ends", async () => {
    await using server = await startTimed(sampleApp());
    const token = server.token({ sub: "ada" });
    expect(await server.server.verify(token)).to.include({ subject: "ada" });
    await server.server.revoke({ subject: "bob" });
    for (const [presented, code] of [
      ["no-token", "token_invalid"],
      [server.token({ aud: "other" }), "token_invalid"],
      [server.token({ sub: "bob" }), "token_revoked"],
    ] as const) {
      const refusal = await server.server.verify(presented).catch((error: unknown) => error);
      expect(refusal, code).to.be.instanceOf(TokenRefusedError).and.to.include({ code });
    }
    server.clock.advance(900_000);
    expect(await refusalOf(server.server.verify(token))).to.include({ code: "token_expired" });
  });

  it("is temporary while nobody knows what was revoked, as for sessions", async () => {
    const store = memoryStore();
    let isThere = true;
    const revocations: typeof store.revocations = {
      add: (revocation) => store.revocations.add(revocation),
      list: (now) => store.revocations.list(now),
      subscribe: (listener) => store.revocations.subscribe(listener),
      whenCurrent: () => (isThere ? Promise.resolve() : Promise.reject(new Error("cut off"))),
    };
    await using server = await startTimed(sampleApp(), { store: { ...store, revocations } });
    const token = server.token();
    expect(await server.server.verify(token)).to.include({ subject: "user-1" });
    isThere = false;
    expect(await refusalOf(server.server.verify(token))).to.include({
      ...{ code: "auth_unavailable", retryAfter: 1_000 },
    });
    const client = await server.connect();
    expect((await ask(client, "authenticate", { token })).error?.code).to.equal(-32007);
  });

  it("puts no token into the log", async () => {
    await using server = await startServer(sampleApp());
    const token = server.token({ aud: "other" });
    await refusalOf(server.server.verify(token));
    expect(server.log.map(({ fields }) => fields.event)).to.include("http.auth.fail");
    expect(JSON.stringify(server.log)).to.not.include(token.split(".")[2]);
  });
});

describe("A token verifier without a server", () => {
  it("accepts and refuses by the same rules", async () => {
    const clock = new ManualClock();
    using tokens = createTokenVerifier(auth, { logger, testing: { clock } });
    const iat = clock.now() / 1_000;
    expect(await tokens.verify(signToken(keys, { iat, scope: "read" }))).to.deep.include({
      ...{ issuer: "https://id.test", subject: "user-1", scopes: ["read"] },
    });
    for (const [token, code] of [
      ["no-token", "token_invalid"],
      [signToken(keys, { iat, iss: "https://other.test" }), "token_invalid"],
      [signToken(keys, { iat: iat - 900 }), "token_expired"],
    ] as const)
      expect((await refusalOf(tokens.verify(token))).code).to.equal(code);
  });

  it("knows what a server revokes that shares its store, before and after it was made", async () => {
    const store = memoryStore();
    await using server = await startServer(sampleApp(), { store, auth });
    await server.server.revoke({ subject: "early" });
    using tokens = createTokenVerifier(auth, { store, logger });
    const tokenOf = (sub: string) => signToken(keys, { sub });
    expect((await refusalOf(tokens.verify(tokenOf("early")))).code).to.equal("token_revoked");
    expect(await tokens.verify(tokenOf("late"))).to.include({ subject: "late" });
    await server.server.revoke({ subject: "late" });
    expect((await refusalOf(tokens.verify(tokenOf("late")))).code).to.equal("token_revoked");
    expect(await tokens.verify(tokenOf("ada"))).to.include({ subject: "ada" });
  });

  it("accepts the tokens of an embedded issuer, and not those that it has revoked", async () => {
    const issuer = await createIssuer({
      ...{ issuer: "https://id.test", audience: "test", store: memoryStore(), logger },
      testing: { passwordHasher: new CheapHasher() },
    });
    await issuer.users.add("ada", "correct horse battery", { scopes: ["read"] });
    const { token, refreshToken } = await issuer.login("ada", "correct horse battery");
    using tokens = createTokenVerifier(issuer, { logger });
    expect(await tokens.verify(token)).to.deep.include({ subject: "ada", scopes: ["read"] });
    await issuer.revokeRefreshToken(refreshToken);
    expect((await refusalOf(tokens.verify(token))).code).to.equal("token_revoked");
    await issuer.close();
  });

  it("takes functions, as auth does, and a schema of claims", async () => {
    using tokens = createTokenVerifier(
      [
        (issuer) => (issuer === auth.issuer ? auth : null),
        {
          verify: (token) => (token === "key_1" ? { ...key, expiresAt: Date.now() + 1_000 } : null),
        },
      ],
      { claims: z.object({ plan: z.string() }), logger },
    );
    const { claims, issuer } = await tokens.verify("key_1");
    expect([claims.plan.toUpperCase(), issuer]).to.deep.equal(["PRO", "custom"]);
    expect(await tokens.verify(signToken(keys, { plan: "free" }))).to.deep.include({
      ...{ issuer: auth.issuer, claims: { plan: "free" } },
    });
    expect((await refusalOf(tokens.verify(signToken(keys)))).detail).to.include("schema");
  });

  it("leaves no timer and no listener when it is closed", async () => {
    const clock = new ManualClock();
    const store = memoryStore();
    let listeners = 0;
    const revocations: typeof store.revocations = {
      add: (revocation) => store.revocations.add(revocation),
      list: (now) => store.revocations.list(now),
      subscribe: () => {
        listeners++;
        return () => listeners--;
      },
    };
    const tokens = createTokenVerifier(auth, {
      ...{ logger, testing: { clock }, store: { ...store, revocations } },
    });
    expect([clock.pending, listeners]).to.deep.equal([1, 1]);
    tokens.close();
    expect([clock.pending, listeners]).to.deep.equal([0, 0]);
  });

  it("is refused options that can't be used", () => {
    expect(() => createTokenVerifier(undefined as never)).to.throw(TypeError, /auth is missing/);
    expect(() => createTokenVerifier([])).to.throw(TypeError, /at least one issuer/);
    expect(() => createTokenVerifier(auth, { stor: memoryStore() } as never)).to.throw(
      TypeError,
      /did you mean "store"/,
    );
    expect(() => createTokenVerifier(auth, { logger: {} as never })).to.throw(TypeError, /logger/);
  });
});

const key = { subject: "ada", claims: { plan: "pro" } };

describe("A token verifier on the Redis of the servers", () => {
  it("knows what a server revokes, and accepts no token while it can't", async function () {
    requires(this, "Redis", hasRedis);
    const redis = await RedisServer.start();
    const stores = await Promise.all([1, 2].map(() => redisStore({ url: redis.url })));
    const [ofServer, ofVerifier] = stores;
    if (ofServer === undefined || ofVerifier === undefined) return expect.fail();
    const server = await startServer(sampleApp(), { store: ofServer, auth });
    const tokens = createTokenVerifier(auth, { store: ofVerifier, logger });
    try {
      const token = signToken(keys, { sub: "ada" });
      expect(await tokens.verify(token)).to.include({ subject: "ada" });
      await server.server.revoke({ subject: "ada" });
      await eventually(async () =>
        expect((await refusalOf(tokens.verify(token))).code).to.equal("token_revoked"),
      );
      expect(await tokens.verify(signToken(keys, { sub: "bob" }))).to.include({ subject: "bob" });
      await redis.kill();
      await eventually(async () =>
        expect((await refusalOf(tokens.verify(signToken(keys)))).code).to.equal("auth_unavailable"),
      );
    } finally {
      tokens.close();
      await server.close();
      for (const store of stores) await store.close();
      await redis.stop();
    }
  });
});
