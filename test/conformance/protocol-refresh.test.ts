import { expect } from "chai";
import { describe, it } from "mocha";
import type { RenewedTokens, ServerOptions } from "../../src/index.js";
import { expectError } from "../helpers/server/expected.js";
import { ask, resultOf } from "../helpers/server/frames.js";
import { protocolApp } from "../helpers/server/protocol-app.js";
import { startTimed } from "../helpers/server/timed-server.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";

const start = (options: Partial<ServerOptions> = {}) => startTimed(protocolApp().app, options);

const resultMembers = [
  "subject",
  "scopes",
  "connectionId",
  "expiresIn",
  "expiresAt",
  "refreshIn",
  "grace",
  "serverTime",
  "limits",
];

describe("Protocol §3, refresh", () => {
  it("in OPEN is -32001", async () => {
    await using server = await start();
    const client = await server.connect();
    for (const params of [
      { token: server.token() },
      [server.token()],
      { refreshToken: "r1" },
      {},
    ]) {
      expectError(await ask(client, "refresh", params), "unauthenticated");
    }
    for (let n = 0; n < 10; n++)
      expectError(await ask(client, "refresh", { token: "a.b.c" }), "unauthenticated");
  });

  it("puts a renewed JWT in force, by name or by position; scopes may change", async () => {
    await using server = await start();
    const client = await server.login({ scope: "read" });
    server.clock.advance(1_000);
    const result = await resultOf(client, "refresh", { token: server.token({ scope: "write" }) });
    expect(result).to.have.all.keys(...resultMembers, "changed", "gap");
    expect(result).to.deep.include({
      subject: "user-1",
      scopes: ["write"],
      expiresIn: 900,
      expiresAt: 1_790_000_901,
      changed: true,
      gap: false,
    });
    expectError(await ask(client, "read"), "forbidden");
    server.clock.advance(1_000);
    expect(await resultOf(client, "refresh", [server.token({ scope: "read" })])).to.deep.include({
      scopes: ["read"],
      changed: true,
    });
    expect((await ask(client, "read")).result).to.equal("read");
  });

  it("may shorten the session as well as extend it", async () => {
    await using server = await start();
    const client = await server.login();
    server.clock.advance(1_000);
    expect(
      await resultOf(client, "refresh", { token: server.token({ exp: server.seconds() + 20 }) }),
    ).to.include({
      expiresIn: 20,
      changed: true,
    });
    server.clock.advance(20_000);
    expectError(await ask(client, "echo", []), "token_expired", { context: "session" });
  });

  it("any failure leaves the current token, its expiry and its scopes in force", async () => {
    await using server = await start();
    const client = await server.login({ scope: "read" });
    server.clock.advance(100_000);
    const now = server.seconds();
    const failures = [
      [{ token: server.token({ aud: "other" }) }, -32004],
      [{ token: server.token({ iat: now - 100, exp: now - 1 }) }, -32002],
      [{ token: server.token({ sub: "user-2" }) }, -32006],
      [{ token: 1 }, -32602],
      [{ refreshToken: "r1" }, -32602],
      [{}, -32602],
    ] as const;
    for (const [params, code] of failures)
      expect((await ask(client, "refresh", params)).error?.code).to.equal(code);
    expect(await resultOf(client, "whoami")).to.deep.include({
      state: "active",
      scopes: ["read"],
      expiresIn: 800,
    });
    server.clock.advance(799_999);
    expect((await ask(client, "read")).result).to.equal("read");
    server.clock.advance(1);
    expectError(await ask(client, "read"), "token_expired", { context: "session" });
  });

  it("10 failed refreshes within a minute: -32029 with retryAfter, and the session lives on", async () => {
    await using server = await start();
    const client = await server.login();
    for (let n = 0; n < 10; n++)
      expectError(await ask(client, "refresh", { token: "a.b.c" }), "token_invalid");
    server.clock.advance(20_000);
    const limited = await ask(client, "refresh", { token: server.token() });
    expectError(limited, "rate_limited");
    expect(limited.error?.data?.retryAfter).to.equal(40);
    expectError(await ask(client, "authenticate", { token: server.token() }), "rate_limited");
    expect((await ask(client, "echo", [1])).result).to.deep.equal([1]);
    server.clock.advance(40_000);
    expect(await resultOf(client, "refresh", { token: server.token() })).to.include({
      changed: true,
    });
  });

  it("in ACTIVE the same token again is a success with changed: false and the current expiry", async () => {
    await using server = await start();
    const token = server.token();
    const client = await server.connect();
    await client.authenticate(token);
    server.clock.advance(100_000);
    for (const method of ["refresh", "authenticate"]) {
      expect(await resultOf(client, method, { token })).to.include({
        changed: false,
        gap: false,
        expiresIn: 800,
        expiresAt: 1_790_000_900,
      });
    }
  });

  it("in ACTIVE a token whose iat is older than the current one's is a success with changed: false: a late refresh does not win", async () => {
    await using server = await start();
    const late = server.token({ scope: "read write", exp: server.seconds() + 5_000 });
    server.clock.advance(10_000);
    const client = await server.login({ scope: "read" });
    const result = await resultOf(client, "refresh", { token: late });
    expect(result).to.deep.include({
      changed: false,
      gap: false,
      scopes: ["read"],
      expiresIn: 900,
      expiresAt: 1_790_000_910,
    });
    expectError(await ask(client, "change"), "forbidden");
  });

  it("in EXPIRED any token that is valid now revives the session, also an older one", async () => {
    await using server = await start();
    const older = server.token({ scope: "read", exp: server.seconds() + 5_000 });
    server.clock.advance(10_000);
    const client = await server.login({ exp: server.seconds() + 100 });
    server.clock.advance(100_000);
    expect(await resultOf(client, "refresh", { token: older })).to.deep.include({
      changed: true,
      scopes: ["read"],
      expiresIn: 4_890,
    });
    expect((await ask(client, "read")).result).to.equal("read");
  });

  it("a connection without an issuer answers -32602 to refreshToken", async () => {
    await using server = await start();
    const client = await server.login();
    const { error } = await ask(client, "refresh", { refreshToken: "r1" });
    expect(error?.code).to.equal(-32602);
    expect(error?.data?.hint).to.be.a("string");
  });
});

describe("Protocol §3, refresh with a refresh token", () => {
  /** A server whose issuer rotates as `renew` says. */
  async function startRenewing(
    renew: (refreshToken: string, tokenOf: (claims?: object) => string) => Promise<RenewedTokens>,
  ) {
    const keys = createTestKeys();
    let iat = (): number => 0;
    const tokenOf = (claims: object = {}): string => signToken(keys, { iat: iat(), ...claims });
    const provider = {
      issuer: "https://id.test",
      audience: "test",
      publicKey: keys.publicJwk,
      renew: (text: string) => renew(text, tokenOf),
    };
    const server = await start({ auth: provider });
    iat = () => server.seconds();
    return { ...server, tokenOf };
  }

  it("the result also has token and refreshToken, both new", async () => {
    await using server = await startRenewing(async (old, tokenOf) => ({
      token: tokenOf({ scope: "read" }),
      refreshToken: `${old}-next`,
    }));
    const client = await server.connect();
    await client.authenticate(server.tokenOf());
    for (const [state, seconds] of [
      ["active", 10],
      ["expired", 900],
    ] as const) {
      server.clock.advance(seconds * 1_000);
      expect(await resultOf(client, "whoami")).to.include({ state });
      const result = await resultOf(client, "refresh", { refreshToken: "r1" });
      expect(result).to.have.all.keys(...resultMembers, "changed", "gap", "token", "refreshToken");
      expect(result).to.deep.include({
        scopes: ["read"],
        expiresIn: 900,
        changed: true,
        gap: false,
        refreshToken: "r1-next",
      });
      expect(
        await resultOf(await server.connect(), "authenticate", { token: result.token }),
      ).to.include({ subject: "user-1" });
    }
  });

  it("a failure leaves the session in force: an issuer that can't be reached is -32007, another subject -32006", async () => {
    await using server = await startRenewing(async (old, tokenOf) => {
      if (old === "down") throw new Error("connect ECONNREFUSED");
      return { token: tokenOf({ sub: "user-2" }), refreshToken: "next" };
    });
    const client = await server.connect();
    await client.authenticate(server.tokenOf());
    expectError(await ask(client, "refresh", { refreshToken: "down" }), "auth_unavailable");
    const mismatch = await ask(client, "refresh", { refreshToken: "of-another" });
    expectError(mismatch, "subject_mismatch", { claim: "sub" });
    expect(JSON.stringify(mismatch)).to.not.include("next");
    expect((await ask(client, "refresh", { refreshToken: 1 })).error?.code).to.equal(-32602);
    const misnamed = await ask(client, "refresh", { refresh_token: "r1" });
    expect(misnamed.error?.code).to.equal(-32602);
    expect(misnamed.error?.data?.hint).to.include('"params":{"refreshToken":"…"}');
    expect(await resultOf(client, "whoami")).to.include({
      state: "active",
      subject: "user-1",
      expiresIn: 900,
    });
  });
});
