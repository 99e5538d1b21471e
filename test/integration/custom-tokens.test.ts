import { expect } from "chai";
import { type CustomVerifierOptions, createRpc, type VerifiedSession } from "../../src/index.js";
import { expectClose, expectError } from "../helpers/server/expected.js";
import { ask, resultOf, told } from "../helpers/server/frames.js";
import { startTimed, type TimedServer } from "../helpers/server/timed-server.js";

const rpc = createRpc({ scopes: ["read"] });
const app = rpc.router({
  read: rpc.method({ scope: "read", handler: ({ auth }) => auth.claims.plan }),
  news: rpc.topic({ key: () => "news" }),
});

/** A server whose tokens are API keys of this table, good for a minute at a time. */
async function start(
  keys: Readonly<Record<string, Partial<VerifiedSession>>>,
  options: Partial<CustomVerifierOptions> = {},
): Promise<TimedServer & { readonly asked: string[] }> {
  const asked: string[] = [];
  const server: TimedServer = await startTimed(app, {
    auth: {
      verify: async (token) => {
        asked.push(token);
        const key = keys[token];
        const session = { subject: "ada", expiresAt: server.clock.now() + 60_000, ...key };
        return key === undefined ? null : session;
      },
      ...options,
    },
  });
  return { ...server, asked };
}

const full = { scopes: ["read"], claims: { plan: "pro" } };

describe("A session whose token the application verifies", () => {
  it("has its scopes and claims, and ends when verify has said; until then it is asked no more", async () => {
    await using server = await start({ key_1: full });
    const client = await server.connect();
    expect(await resultOf(client, "authenticate", { token: "key_1" })).to.deep.include({
      ...{ subject: "ada", scopes: ["read"], expiresIn: 60 },
    });
    for (let time = 0; time < 3; time++) expect((await ask(client, "read")).result).to.equal("pro");
    expect(server.asked).to.deep.equal(["key_1"]);
    server.clock.advance(60_000);
    expectError(await ask(client, "read"), "token_expired");
    server.clock.advance(30_000);
    await expectClose(client, "token_expired");
  });

  it("gets events until then, and those held back after a refresh by the same token", async () => {
    await using server = await start({ key_1: full });
    const client = await server.connect();
    await resultOf(client, "authenticate", { token: "key_1" });
    await resultOf(client, "news");
    await server.server.publish(app.routes.news, undefined, 1);
    expect((await told(client, "subscription.event")).data).to.equal(1);
    server.clock.advance(60_000);
    await told(client, "auth.expiring");
    await told(client, "auth.expired");
    await server.server.publish(app.routes.news, undefined, 2);
    expect(client.queued, "nothing for an expired session").to.deep.equal([]);
    expect(await resultOf(client, "refresh", { token: "key_1" })).to.include({
      ...{ changed: true, expiresIn: 60 },
    });
    expect((await told(client, "subscription.event")).data).to.equal(2);
  });

  it("may be refreshed by another token of the same subject and client alone", async () => {
    await using server = await start({
      ...{ key_1: full, key_2: full, bob: { ...full, subject: "bob" } },
      other: { ...full, clientId: "c2" },
    });
    const client = await server.connect();
    await resultOf(client, "authenticate", { token: "key_1" });
    server.clock.advance(1_000);
    for (const [token, claim] of [
      ["bob", "sub"],
      ["other", "client_id"],
    ])
      expectError(await ask(client, "refresh", { token }), "subject_mismatch", { claim });
    expect((await ask(client, "read")).result).to.equal("pro");
    expect(await resultOf(client, "refresh", { token: "key_2" })).to.include({ changed: true });
    expect(await resultOf(client, "refresh", { token: "key_2" })).to.include({ changed: false });
  });

  it("is not continued by the same subject of another issuer", async () => {
    const keys = { key_1: full };
    const server: TimedServer = await startTimed(app, {
      auth: (["one", "two"] as const).map((issuer) => ({
        issuer,
        verify: (token: string) =>
          token.startsWith(issuer)
            ? { subject: "ada", expiresAt: server.clock.now() + 60_000, ...keys.key_1 }
            : null,
      })),
    });
    await using _ = server;
    const client = await server.connect();
    await resultOf(client, "authenticate", { token: "one_1" });
    server.clock.advance(1_000);
    expectError(await ask(client, "refresh", { token: "two_1" }), "subject_mismatch", {
      claim: "iss",
    });
    expect(await resultOf(client, "refresh", { token: "one_2" })).to.include({ changed: true });
  });

  it("ends by a revocation of its subject, session or token, and does not come back", async () => {
    for (const selector of [{ subject: "ada" }, { sessionId: "s1" }, { jti: "t1" }]) {
      await using server = await start(
        { key_1: { ...full, sessionId: "s1", tokenId: "t1" }, key_2: { ...full, subject: "bob" } },
        { issuer: "api-keys" },
      );
      const client = await server.connect();
      await resultOf(client, "authenticate", { token: "key_1" });
      await server.server.revoke({ ...selector, issuer: "other" });
      expect((await ask(client, "read")).result, "another issuer's").to.equal("pro");
      await server.server.revoke({ ...selector, issuer: "api-keys" });
      await expectClose(client, "token_revoked");
      server.clock.advance(24 * 3_600_000);
      const again = await server.connect();
      expectError(await ask(again, "authenticate", { token: "key_1" }), "token_revoked");
      expect(await resultOf(again, "authenticate", { token: "key_2" })).to.include({
        subject: "bob",
      });
    }
  });

  it("is reached by a notification to its subject", async () => {
    const { app: notifying } = notifyingApp();
    const server: TimedServer = await startTimed(notifying, {
      auth: { verify: () => ({ subject: "ada", expiresAt: server.clock.now() + 60_000 }) },
    });
    await using _ = server;
    const client = await server.connect();
    await resultOf(client, "authenticate", { token: "key_1" });
    await server.server.notify({ subject: "ada" }, "hello", { n: 1 });
    expect(await told(client, "hello")).to.deep.equal({ n: 1 });
  });
});

function notifyingApp() {
  const schema = {
    "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value }) },
  } as const;
  const notifying = createRpc({ notifications: { hello: schema } });
  return { app: notifying.router({}) };
}

describe("A token that the application refuses", () => {
  it("counts against its connection and its address like any other", async () => {
    await using server = await start({});
    const client = await server.connect();
    for (let time = 0; time < 4; time++)
      expectError(await ask(client, "authenticate", { token: `key_${time}` }), "token_invalid");
    client.send({ jsonrpc: "2.0", id: 1, method: "authenticate", params: { token: "key_5" } });
    await expectClose(client, "too_many_attempts");
  });

  it("is refused unseen beyond maxTokenLength, which must fit into a frame", async () => {
    await using server = await start({ "123456789": full }, { maxTokenLength: 8 });
    const client = await server.connect();
    expectError(await ask(client, "authenticate", { token: "123456789" }), "token_invalid");
    expect(server.asked).to.deep.equal([]);
    const tooLong = await start({}, { maxTokenLength: 16_384 }).then(() => "started", String);
    expect(tooLong).to.match(/auth\.maxTokenLength of custom is 16384/);
  });

  it("is not refused when verify fails: the answer is temporary, counts against nobody, and a session goes on", async () => {
    let isAway = false;
    const server: TimedServer = await startTimed(app, {
      auth: {
        verify: async () => {
          if (isAway) throw new Error("no database");
          return { subject: "ada", expiresAt: server.clock.now() + 60_000, ...full };
        },
      },
    });
    await using _ = server;
    const user = await server.connect();
    await resultOf(user, "authenticate", { token: "key_1" });
    isAway = true;
    const client = await server.connect();
    for (let time = 0; time < 30; time++) {
      expectError(await ask(client, "authenticate", { token: "key_1" }), "auth_unavailable", {
        retryAfter: 1,
      });
      expectError(await ask(user, "refresh", { token: "key_1" }), "auth_unavailable");
      server.clock.advance(100);
    }
    expect((await ask(user, "read")).result).to.equal("pro");
    isAway = false;
    expect(await resultOf(client, "authenticate", { token: "key_1" })).to.include({
      subject: "ada",
    });
  });

  it("stands in no line of the log, whatever comes of it", async () => {
    const secret = "key_secret/42";
    for (const verify of [
      () => null,
      () => ({ subject: "ada", expiresAt: 1 }),
      () => Promise.reject(new Error(`GET https://keys.test/${secret}`)),
      () => Promise.reject(new Error(`GET https://keys.test/${encodeURIComponent(secret)}`)),
    ] as CustomVerifierOptions["verify"][]) {
      await using server = await startTimed(app, { auth: { verify } });
      const client = await server.connect();
      const answer = await ask(client, "authenticate", { token: secret });
      expect(answer).to.have.property("error");
      const said = JSON.stringify([answer, server.log]);
      expect(said).to.not.include("secret/42").and.not.include("secret%2F42");
      expect(server.log.map(({ fields }) => fields.event)).to.include("authenticate.fail");
    }
  });
});
