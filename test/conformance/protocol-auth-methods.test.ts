import { expect } from "chai";
import { describe, it } from "mocha";
import { z } from "zod";
import { createServer, type ServerOptions, type StandardSchema } from "../../src/index.js";
import { expectClose, expectError } from "../helpers/server/expected.js";
import {
  ask,
  exchange,
  type Frame,
  leftovers,
  notification,
  resultOf,
} from "../helpers/server/frames.js";
import { protocolApp } from "../helpers/server/protocol-app.js";
import { startTimed } from "../helpers/server/timed-server.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";

type Claims = Readonly<Record<string, unknown>>;

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
const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("Protocol §3, authenticate", () => {
  it("answers who speaks, with what scopes and until when: exactly the members of the protocol, times in seconds", async () => {
    await using server = await start();
    server.clock.advance(412);
    const client = await server.connect();
    const result = await resultOf(client, "authenticate", {
      token: server.token({ scope: "read write" }),
    });
    expect(result).to.have.all.keys(...resultMembers);
    expect(result).to.deep.include({
      subject: "user-1",
      scopes: ["read", "write"],
      expiresAt: 1_790_000_900,
      grace: 30,
      serverTime: 1_790_000_000.412,
    });
    expect(result.expiresIn).to.be.closeTo(899.588, 0.5);
    expect(result.connectionId).to.match(uuidV7);
    expect(await resultOf(client, "whoami")).to.include({ connectionId: result.connectionId });
  });

  it("and refresh tell the limits in force for the connection, 0 for none", async () => {
    const told = {
      frameBytes: 65_536,
      batchLength: 50,
      requestsInFlight: 64,
      subscriptions: 128,
      responseBytes: 1_048_576,
    };
    const limits = {
      frameBytes: 100_000,
      batchLength: 10,
      requestsInFlight: Number.POSITIVE_INFINITY,
      subscriptions: 3,
      responseBytes: 2_000,
    };
    const toldOthers = {
      frameBytes: 100_000,
      batchLength: 10,
      requestsInFlight: 0,
      subscriptions: 3,
      responseBytes: 2_000,
    };
    for (const [given, expected] of [
      [{}, told],
      [limits, toldOthers],
    ] as const) {
      await using server = await start({ limits: given });
      const client = await server.connect();
      for (const method of ["authenticate", "authenticate", "refresh"]) {
        expect(
          (await resultOf(client, method, { token: server.token() })).limits,
          method,
        ).to.deep.equal(expected);
        server.clock.advance(1_000);
      }
    }
  });

  it("takes its params by name or by position", async () => {
    await using server = await start();
    for (const params of [{ token: server.token() }, [server.token()]]) {
      expect(await resultOf(await server.connect(), "authenticate", params)).to.include({
        subject: "user-1",
        expiresIn: 900,
      });
    }
  });

  it("draws refreshIn from 70-85 % of expiresIn, so that clients spread out", async () => {
    await using server = await start({
      limits: { unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY },
    });
    const drawn = new Set<number>();
    for (let n = 0; n < 30; n++) {
      const { refreshIn } = await resultOf(await server.connect(), "authenticate", {
        token: server.token(),
      });
      expect(refreshIn).to.be.at.least(630).and.at.most(765);
      drawn.add(Number(refreshIn));
    }
    expect(drawn.size, "different values of 30").to.be.above(10);
    for (const left of [1, 2, 3]) {
      const { refreshIn } = await resultOf(await server.connect(), "authenticate", {
        token: server.token({ exp: server.seconds() + left }),
      });
      expect(refreshIn)
        .to.be.at.least(left * 0.7)
        .and.at.most(left * 0.85);
    }
  });

  it("takes white space at the ends, line breaks inside, and one leading Bearer off the token", async () => {
    await using server = await start();
    const token = server.token();
    const [head = "", body = "", tail = ""] = token.split(".");
    const pasted = [
      ` \t${token}\r\n `,
      `Bearer ${token}`,
      `  Bearer ${token}\n`,
      `bearer ${token}`,
      `BEARER   ${token}`,
      `${head}.${body.slice(0, 9)}\n${body.slice(9)}.\r\n${tail}`,
    ];
    for (const text of pasted)
      expect(await resultOf(await server.connect(), "authenticate", { token: text })).to.include({
        subject: "user-1",
      });
  });

  it("judges the token strictly after that", async () => {
    await using server = await start();
    const token = server.token();
    const [head = "", body = "", tail = ""] = token.split(".");
    const wrong = [
      `Bearer Bearer ${token}`,
      `Basic ${token}`,
      `Bearer${token}`,
      `${head}.${body} .${tail}`,
      `${head}.${body}\t.${tail}`,
    ];
    for (const text of [...wrong, `${token}=`, `"${token}"`, `${head}.${body}`, "", "Bearer "]) {
      expectError(
        await ask(await server.connect(), "authenticate", { token: text }),
        "token_invalid",
      );
    }
  });

  it("a token that is missing or not a string is -32602", async () => {
    await using server = await start({ limits: { failedAuthCalls: Number.POSITIVE_INFINITY } });
    const client = await server.connect();
    for (const params of [
      undefined,
      {},
      [],
      { token: null },
      { token: 1 },
      { token: {} },
      { token: ["a"] },
      [null],
      [{}],
      { Token: "a" },
      { jwt: "a" },
    ]) {
      const { error } = await ask(client, "authenticate", params);
      expect(error?.code, JSON.stringify(params)).to.equal(-32602);
      expect(error?.data?.hint, "what to type")
        .to.include('"params":{"token":"…"}')
        .and.not.include("refreshToken");
    }
    expect(await resultOf(client, "whoami")).to.include({ state: "open" });
  });

  it("a failure is an error, and the connection stays as it was", async () => {
    await using server = await start();
    const client = await server.connect();
    expectError(
      await ask(client, "authenticate", { token: server.token({ aud: "other" }) }),
      "token_invalid",
    );
    expect(await resultOf(client, "whoami")).to.include({ state: "open", subject: null });
    const before = await resultOf(client, "authenticate", {
      token: server.token({ scope: "read" }),
    });
    expectError(
      await ask(client, "authenticate", { token: server.token({ aud: "other" }) }),
      "token_invalid",
    );
    expect(await resultOf(client, "whoami")).to.deep.include({
      state: "active",
      scopes: ["read"],
      expiresIn: before.expiresIn,
    });
  });

  it("after 5 failed authenticate calls in a row in OPEN the connection is closed 4429", async () => {
    await using server = await start();
    const client = await server.connect();
    for (let n = 1; n <= 4; n++)
      expectError(await ask(client, "authenticate", { token: "a.b.c" }), "token_invalid");
    expect((await ask(client, "ping")).result).to.equal("pong");
    expectError(await ask(client, "authenticate", { token: "a.b.c" }), "token_invalid");
    await expectClose(client, "too_many_attempts");
  });

  it("failures before a success do not count", async () => {
    await using server = await start();
    const client = await server.connect();
    for (let round = 0; round < 3; round++) {
      for (let n = 1; n <= 4; n++)
        expectError(await ask(client, "authenticate", { token: "a.b.c" }), "token_invalid");
      await resultOf(client, "authenticate", { token: server.token() });
      await resultOf(client, "logout");
    }
    expect(await resultOf(client, "whoami")).to.include({ state: "open" });
  });

  it("a failed authenticate on a session that is still valid never loses it", async () => {
    await using server = await start();
    const client = await server.login();
    for (let n = 0; n < 12; n++) {
      const { error } = await ask(client, "authenticate", {
        token: n % 2 === 0 ? "a.b.c" : server.token({ sub: "user-2" }),
      });
      expect(error?.code).to.be.oneOf([-32004, -32006, -32029]);
    }
    expect(await resultOf(client, "whoami")).to.include({ state: "active", subject: "user-1" });
  });

  it("with the same issuer and subject it acts as refresh on an ACTIVE connection", async () => {
    await using server = await start();
    const client = await server.login({ scope: "read" });
    server.clock.advance(10_000);
    const result = await resultOf(client, "authenticate", {
      token: server.token({ scope: "read write" }),
    });
    expect(result).to.have.all.keys(...resultMembers, "changed", "gap");
    expect(result).to.deep.include({
      scopes: ["read", "write"],
      expiresIn: 900,
      expiresAt: 1_790_000_910,
      changed: true,
      gap: false,
    });
  });

  it("with another subject, issuer or client it is -32006, and nothing changes", async () => {
    const [ours, theirs] = [createTestKeys(), createTestKeys()];
    const auth = [
      { issuer: "https://id.test", audience: "test", publicKey: ours.publicJwk },
      { issuer: "https://other.test", audience: "test", publicKey: theirs.publicJwk },
    ];
    await using server = await start({ auth });
    const iat = server.seconds();
    for (const state of ["active", "expired"]) {
      const client = await server.connect();
      const before = await resultOf(client, "authenticate", {
        token: signToken(ours, { iat, exp: server.seconds() + 100 }),
      });
      if (state === "expired") server.clock.advance(100_000);
      const bySubject = signToken(ours, { iat, sub: "user-2" });
      const byIssuer = signToken(theirs, { iat, iss: "https://other.test" });
      const byClient = signToken(ours, { iat, client_id: "client-2" });
      const ofNoClient = signToken(ours, { iat, client_id: undefined });
      for (const method of ["authenticate", "refresh"]) {
        expectError(await ask(client, method, { token: bySubject }), "subject_mismatch", {
          claim: "sub",
        });
        expectError(await ask(client, method, { token: byIssuer }), "subject_mismatch", {
          claim: "iss",
        });
        for (const token of [byClient, ofNoClient]) {
          expectError(await ask(client, method, { token }), "subject_mismatch", {
            claim: "client_id",
          });
        }
      }
      expect(await resultOf(client, "whoami")).to.include({ state, subject: before.subject });
    }
  });

  it("with another value of a claim that the option identityClaims names it is -32006, whatever the application's schema makes of the claims", async () => {
    const picky = z.object({ sub: z.string() }) as unknown as StandardSchema<Claims, Claims>;
    const claims = { org_id: "a", tenant: { id: 1, tags: ["x", "y"] }, acr: "1" };
    const others = [
      { ...claims, org_id: "b" },
      { ...claims, org_id: ["a"] },
      { ...claims, org_id: undefined },
      { ...claims, org_id: null },
      { ...claims, tenant: { id: 1, tags: ["y", "x"] } },
      { ...claims, tenant: { id: "1", tags: ["x", "y"] } },
      { ...claims, tenant: undefined },
    ];
    for (const app of [protocolApp().app, protocolApp(picky).app]) {
      await using server = await startTimed(app, { identityClaims: ["org_id", "tenant"] });
      for (const state of ["active", "expired"]) {
        for (const other of others) {
          const client = await server.login(claims);
          if (state === "expired") server.clock.advance(900_000);
          const claim = other.org_id === "a" ? "tenant" : "org_id";
          for (const method of ["authenticate", "refresh"])
            expectError(
              await ask(client, method, { token: server.token(other) }),
              "subject_mismatch",
              { claim },
            );
          expect(await resultOf(client, "whoami")).to.include({ state });
          server.clock.advance(1_000);
          const same = { acr: "2", tenant: { tags: ["x", "y"], id: 1 }, org_id: "a" };
          expect(await resultOf(client, "refresh", { token: server.token(same) })).to.include({
            changed: true,
          });
        }
      }
      const without = await server.login();
      expectError(
        await ask(without, "refresh", { token: server.token(claims) }),
        "subject_mismatch",
        { claim: "org_id" },
      );
      expect(await resultOf(without, "refresh", { token: server.token({ acr: "2" }) })).to.include({
        changed: true,
      });
    }
  });

  it("is not started with an option identityClaims that no refresh could meet, or that is no list of names", () => {
    const make = (identityClaims: unknown) => () =>
      createServer(protocolApp().app, {
        auth: { issuer: "https://id.test", audience: "test" },
        identityClaims,
      } as ServerOptions);
    expect(make(["org_id", "exp"])).to.throw(
      TypeError,
      "identityClaims: exp differs in every token",
    );
    for (const wrong of ["org_id", [1], [""], {}])
      expect(make(wrong), JSON.stringify(wrong)).to.throw(
        TypeError,
        "identityClaims must be a list",
      );
  });

  it("may have other values of all other claims by default", async () => {
    await using server = await start();
    const client = await server.login({ org_id: "a" });
    expect(await resultOf(client, "refresh", { token: server.token({ org_id: "b" }) })).to.include({
      changed: true,
    });
  });

  it("as a notification it is applied, and the outcome is told by auth.notice", async () => {
    await using server = await start();
    const client = await server.connect();
    client.send(notification("authenticate", { token: server.token({ aud: "other" }) }));
    const failed = await client.next<Frame>();
    expect(failed)
      .to.deep.include({ jsonrpc: "2.0", method: "auth.notice" })
      .and.not.have.property("id");
    expect(failed.params)
      .to.deep.include({ method: "authenticate", ok: false })
      .and.have.nested.property("error.code", -32004);
    client.send(notification("authenticate", { token: server.token() }));
    expect(await client.next()).to.deep.equal({
      jsonrpc: "2.0",
      method: "auth.notice",
      params: { method: "authenticate", ok: true },
    });
    expect(await resultOf(client, "whoami")).to.include({ state: "active" });
  });
});

describe("Protocol §3, logout, whoami and ping", () => {
  it("logout drops the identity, and the socket stays, in OPEN", async () => {
    await using server = await start();
    const client = await server.login();
    expect((await ask(client, "logout")).result).to.deep.equal({ ok: true });
    expectError(await ask(client, "echo"), "unauthenticated");
    expectError(await ask(client, "logout"), "unauthenticated");
  });

  it("logout with a refresh token is -32602 where the server keeps none, and the session stays", async () => {
    await using server = await start();
    const client = await server.login();
    for (const refreshToken of ["of another issuer", 5]) {
      expect((await ask(client, "logout", { refreshToken })).error?.code).to.equal(-32602);
    }
    expect(await resultOf(client, "whoami")).to.include({ state: "active" });
    expect(await resultOf(client, "logout")).to.deep.equal({ ok: true });
  });

  it("logout is the way to change the user on a socket", async () => {
    await using server = await start();
    const client = await server.login();
    expectError(
      await ask(client, "authenticate", { token: server.token({ sub: "user-2" }) }),
      "subject_mismatch",
    );
    await ask(client, "logout");
    expect(
      await resultOf(client, "authenticate", { token: server.token({ sub: "user-2" }) }),
    ).to.include({ subject: "user-2" });
  });

  it("logout and refresh as notifications are applied, and told by auth.notice", async () => {
    await using server = await start();
    const client = await server.login();
    server.clock.advance(1_000);
    for (const [method, params] of [
      ["refresh", { token: server.token() }],
      ["logout", undefined],
    ] as const) {
      client.send(notification(method, params));
      expect(await client.next()).to.deep.equal({
        jsonrpc: "2.0",
        method: "auth.notice",
        params: { method, ok: true },
      });
    }
    expect(await resultOf(client, "whoami")).to.include({ state: "open" });
  });

  it("whoami answers in every state, with exactly its members", async () => {
    await using server = await start();
    const client = await server.connect();
    const members = [
      "state",
      "subject",
      "scopes",
      "expiresIn",
      "grace",
      "serverTime",
      "connectionId",
    ];
    const open = await resultOf(client, "whoami");
    expect(open).to.have.all.keys(...members);
    expect(open).to.deep.include({
      state: "open",
      subject: null,
      scopes: [],
      expiresIn: null,
      grace: 30,
      serverTime: 1_790_000_000,
    });
    await client.authenticate(server.token({ scope: "read" }));
    server.clock.advance(100_000);
    const active = await resultOf(client, "whoami");
    expect(active).to.have.all.keys(...members);
    expect(active).to.deep.include({
      state: "active",
      subject: "user-1",
      scopes: ["read"],
      expiresIn: 800,
      serverTime: 1_790_000_100,
    });
    server.clock.advance(810_000);
    const expired = await resultOf(client, "whoami");
    expect(expired).to.have.all.keys(...members);
    expect(expired).to.include({ state: "expired", subject: "user-1" });
    expect(expired.expiresIn).to.be.at.most(0);
    expect(new Set([open, active, expired].map(({ connectionId }) => connectionId)).size).to.equal(
      1,
    );
  });

  it("ping answers pong, or gives its params back, in every state, and extends nothing", async () => {
    await using server = await start();
    const client = await server.connect();
    const check = async (): Promise<void> => {
      expect((await ask(client, "ping")).result).to.equal("pong");
      for (const params of [[1, "a"], { a: [null] }, [], {}])
        expect((await ask(client, "ping", params)).result).to.deep.equal(params);
      expect(await exchange(client, notification("ping"))).to.deep.equal([]);
    };
    await check();
    await client.authenticate(server.token());
    await check();
    server.clock.advance(900_000);
    await leftovers(client);
    await check();
    server.clock.advance(29_999);
    await check();
    server.clock.advance(1);
    await expectClose(client, "token_expired");
  });

  it("§11 a token with cnf is refused with -32004, never taken as a bearer token, with or without a proof", async () => {
    await using server = await start();
    const bound = server.token({ cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } });
    const client = await server.connect();
    expectError(await ask(client, "authenticate", { token: bound }), "token_invalid");
    expectError(
      await ask(client, "authenticate", { token: bound, proof: "a.b.c" }),
      "token_invalid",
    );
    await client.authenticate(server.token());
    server.clock.advance(1_000);
    expectError(
      await ask(client, "refresh", { token: server.token({ cnf: { jkt: "a" } }) }),
      "token_invalid",
    );
    expect(await resultOf(client, "whoami")).to.include({ state: "active" });
  });
});
