import { expect } from "chai";
import { describe, it } from "mocha";
import { createRpc, type ServerOptions } from "../../src/index.js";
import { ClaimsGate } from "../helpers/server/claims-gate.js";
import { expectError } from "../helpers/server/expected.js";
import {
  ask,
  exchange,
  type Frame,
  notification,
  request,
  resultOf,
} from "../helpers/server/frames.js";
import { protocolApp } from "../helpers/server/protocol-app.js";
import { startServer } from "../helpers/server/test-server.js";
import { startTimed } from "../helpers/server/timed-server.js";
import { createTestKeys, signText, signToken } from "../helpers/tokens/tokens.js";

async function startErrors(options: Partial<ServerOptions> = {}) {
  const { app, ...seen } = protocolApp();
  return { ...(await startTimed(app, options)), ...seen };
}

/** Each cause of -32004 that a token can have. */
function wrongTokens(
  server: Awaited<ReturnType<typeof startErrors>>,
): Readonly<Record<string, string>> {
  const { keys, token } = server;
  const now = server.seconds();
  const strangers = createTestKeys();
  const good = token();
  return {
    malformed: "not a token",
    "two segments": good.split(".", 2).join("."),
    "signature of another key": signToken({ ...strangers, kid: keys.kid }, { iat: now }),
    "changed payload": good.replace(
      /\.(.)/,
      (_all, first: string) => `.${first === "e" ? "f" : "e"}`,
    ),
    "unknown kid": signToken(keys, { iat: now }, { kid: "unknown" }),
    issuer: token({ iss: "https://evil.example" }),
    audience: token({ aud: "other" }),
    "no audience": token({ aud: undefined }),
    "algorithm none": `${signText(keys, '{"alg":"none"}', "{}").split(".").slice(0, 2).join(".")}.`,
    "algorithm HS256": signToken(keys, { iat: now }, { alg: "HS256" }),
    type: signToken(keys, { iat: now }, { typ: "dpop+jwt" }),
    "missing exp": token({ exp: undefined }),
    "missing sub": token({ sub: undefined }),
    "exp that is no number": token({ exp: "tomorrow" }),
    "not yet valid": token({ nbf: now + 600 }),
    "issued in the future": token({ iat: now + 600 }),
  };
}

describe("Protocol §6, errors", () => {
  it("-32001 unauthenticated: no session on this connection", async () => {
    await using server = await startErrors();
    expectError(await ask(await server.connect(), "echo"), "unauthenticated");
  });

  it("-32002 token_expired: the session expired, action refresh; or the token presented is expired already, action newToken", async () => {
    await using server = await startErrors();
    const client = await server.connect();
    const old = server.token({ iat: server.seconds() - 900, exp: server.seconds() });
    expectError(await ask(client, "authenticate", { token: old }), "token_expired", {
      context: "presented",
      action: "newToken",
    });
    await client.authenticate(server.token());
    expectError(await ask(client, "refresh", { token: old }), "token_expired", {
      context: "presented",
      action: "newToken",
    });
    server.clock.advance(900_000);
    const refused = await ask(client, "echo");
    expectError(refused, "token_expired", { context: "session", action: "refresh" });
    expect(refused.error?.data?.hint, "what to type").to.include('"params":{"token":"<JWT>"}');
    expectError(await ask(client, "refresh", { token: old }), "token_expired", {
      context: "presented",
      action: "newToken",
    });
  });

  it("-32003 forbidden: required and missing say which scopes, before any handler or schema runs", async () => {
    await using server = await startErrors();
    const client = await server.login({ scope: "read other" });
    expectError(await ask(client, "change"), "forbidden", {
      required: ["read", "write"],
      missing: ["write"],
    });
    expect((await ask(client, "read")).result).to.equal("read");
    expectError(await ask(await server.login({ scope: "READ reader" }), "read"), "forbidden", {
      required: ["read"],
      missing: ["read"],
    });
  });

  it("-32004 token_invalid: detail says which, in development", async () => {
    await using server = await startErrors({
      production: false,
      limits: { failedAuthCalls: Number.POSITIVE_INFINITY },
    });
    const client = await server.connect();
    const details = new Set<unknown>();
    for (const [cause, token] of Object.entries(wrongTokens(server))) {
      const answer = await ask(client, "authenticate", { token });
      expectError(answer, "token_invalid");
      expect(answer.error?.data?.detail, cause).to.be.a("string").and.not.equal("");
      details.add(answer.error?.data?.detail);
    }
    expect(details.size).to.be.at.least(10);
  });

  it("-32004 token_invalid: in production every cause looks the same on the wire, and the cause is in the log", async () => {
    await using server = await startErrors({
      production: true,
      limits: { failedAuthCalls: Number.POSITIVE_INFINITY },
    });
    const client = await server.connect();
    const texts = new Set<string>();
    for (const [cause, token] of Object.entries(wrongTokens(server))) {
      const before = server.log.length;
      const answer = await ask(client, "authenticate", { token });
      expectError(answer, "token_invalid");
      expect(answer.error?.data, cause).to.not.have.property("detail");
      texts.add(JSON.stringify(answer.error));
      expect(
        server.log.slice(before).some(({ fields }) => typeof fields.detail === "string"),
        `${cause} is logged`,
      ).to.equal(true);
    }
    expect(texts.size).to.equal(1);
  });

  it("-32004 token_invalid: a wrong token that is expired too is not told apart in production", async () => {
    await using server = await startErrors({ production: true });
    const client = await server.connect();
    const iat = server.seconds() - 900;
    const stranger = createTestKeys();
    const token = signToken({ ...stranger, kid: server.keys.kid }, { iat });
    expectError(await ask(client, "authenticate", { token }), "token_invalid");
    expectError(
      await ask(client, "authenticate", { token: server.token({ iat, aud: "other" }) }),
      "token_invalid",
    );
  });

  it("-32005 token_revoked: token, session, family or subject revoked", async () => {
    await using server = await startErrors();
    await server.server.revoke({ subject: "user-9" });
    expectError(
      await ask(await server.connect(), "authenticate", { token: server.token({ sub: "user-9" }) }),
      "token_revoked",
    );
  });

  it("-32006 subject_mismatch: claim says which claim differs", async () => {
    await using server = await startErrors();
    const client = await server.login();
    expectError(
      await ask(client, "refresh", { token: server.token({ sub: "user-2" }) }),
      "subject_mismatch",
      { claim: "sub" },
    );
  });

  it("-32007 auth_unavailable: the key set can't be reached; never reported as an invalid token, and never counted", async () => {
    const auth = {
      issuer: "https://id.test",
      audience: "test",
      jwks: "http://127.0.0.1:9/jwks.json",
    }; // the discard port: nobody listens
    await using server = await startServer(protocolApp().app, { auth });
    const client = await server.connect();
    for (let n = 0; n < 7; n++)
      expectError(await ask(client, "authenticate", { token: server.token() }), "auth_unavailable");
    expect(await resultOf(client, "whoami")).to.include({ state: "open" });
  });

  it("-32008 timeout and -32011 cancelled do not say whether the application has run", async () => {
    await using server = await startErrors();
    const client = await server.login();
    await exchange(client, request(1, "wait"), request(2, "wait"));
    const [cancelled] = await exchange(client, notification("$/cancelRequest", { id: 1 }));
    expectError(cancelled, "cancelled");
    server.clock.advance(30_000);
    expectError(await client.next<Frame>(), "timeout");
  });

  it("-32009 overloaded: too many in flight", async () => {
    await using server = await startErrors({ limits: { requestsInFlight: 1 } });
    const client = await server.login();
    await exchange(client, request(1, "wait"));
    expectError(await ask(client, "echo"), "overloaded");
    expect(server.ran).to.deep.equal(["wait"]);
  });

  it("-32010 too_large: the response is over the limit, in bytes", async () => {
    await using server = await startErrors({ limits: { responseBytes: 1_000 } });
    const client = await server.login();
    expect((await ask(client, "text", { size: 900 })).result).to.have.length(900);
    expectError(await ask(client, "text", { size: 1_000 }), "too_large");
    expect((await ask(client, "echo", ["ü".repeat(300)])).result).to.deep.equal(["ü".repeat(300)]);
    expectError(await ask(client, "echo", ["ü".repeat(490)]), "too_large");
    expectError(await ask(client, "ping", ["x".repeat(1_000)]), "too_large");
  });

  it("-32029 rate_limited: retryAfter says when, in seconds", async () => {
    await using server = await startErrors({ limits: { framesPerSecond: 3 } });
    const client = await server.login();
    server.clock.advance(1_000);
    for (let n = 0; n < 3; n++) expect((await ask(client, "ping")).result).to.equal("pong");
    const answer = await ask(client, "echo");
    expectError(answer, "rate_limited");
    expect(answer.error?.data?.retryAfter).to.be.a("number").and.be.above(0);
    expect(server.ran).to.deep.equal([]);
    server.clock.advance(1_000);
    expect((await ask(client, "echo", [1])).result).to.deep.equal([1]);
  });

  it("an auth error is always raised before anything of the application runs", async () => {
    await using server = await startErrors();
    const client = await server.connect();
    const tries = async () => {
      for (const method of ["echo", "checked", "tell", "wait"])
        expect((await ask(client, method, { n: 1 })).error?.data?.executed).to.equal(false);
    };
    await tries();
    await client.authenticate(server.token());
    server.clock.advance(900_000);
    await tries();
    expect(server.ran).to.deep.equal([]);
  });

  it("a handler that looks again after expiry does not claim that nothing has run", async () => {
    const rpc = createRpc();
    let pass = (): void => {};
    const app = rpc.router({
      twoSteps: rpc.method({
        handler({ assertLive }) {
          assertLive();
          pass();
          assertLive();
        },
      }),
    });
    await using server = await startTimed(app);
    pass = () => server.clock.advance(900_000);
    const client = await server.login();
    const { error } = await ask(client, "twoSteps");
    expect(error?.code).to.equal(-32002);
    expect(error?.data).to.not.have.property("executed");
  });

  it("a token or refresh token never appears in an error, a log line or a close reason", async () => {
    const keys = createTestKeys();
    const auth = {
      issuer: "https://id.test",
      audience: "test",
      publicKey: keys.publicJwk,
      renew: async (refreshToken: string) => {
        throw new Error(`the issuer did not like ${refreshToken}`);
      },
    };
    await using server = await startErrors({ auth });
    const client = await server.connect();
    const seen: string[] = [];
    const show = async (method: string, params: unknown): Promise<void> =>
      void seen.push(JSON.stringify(await ask(client, method, params)));
    const good = signToken(keys, { iat: server.seconds() });
    const bad = signToken(keys, { iat: server.seconds(), aud: "other" });
    const secrets = [
      good,
      bad,
      bad.split(".")[2] ?? "",
      good.split(".")[2] ?? "",
      "refresh-token-of-user-1",
      "garbage-token",
    ];
    for (const token of [bad, "garbage-token"]) await show("authenticate", { token });
    await show("authenticate", { token: good });
    await show("refresh", { token: bad });
    await show("refresh", { refreshToken: "refresh-token-of-user-1" });
    await show("refresh", { refreshToken: ["refresh-token-of-user-1"] });
    // no JSON
    client.send(`{"jsonrpc":"2.0","id":1,"method":"authenticate","params":{"token":"${good}"}`);
    seen.push(await client.nextText());
    for (const secret of secrets) {
      for (const text of [...seen, ...server.log.map((line) => JSON.stringify(line))])
        expect(text).to.not.include(secret);
    }
  });

  it("claims that don't fit the application's schema are -32004, at authenticate and at refresh", async () => {
    const gate = new ClaimsGate();
    const refusing = {
      "~standard": {
        ...gate.schema["~standard"],
        validate: (claims: unknown) =>
          (claims as { role?: string }).role === "user"
            ? { value: claims as Readonly<Record<string, unknown>> }
            : { issues: [{ message: "no such role", path: ["role"] }] },
      },
    };
    await using server = await startTimed(protocolApp(refusing).app);
    const client = await server.connect();
    expectError(await ask(client, "authenticate", { token: server.token() }), "token_invalid");
    expect(
      await resultOf(client, "authenticate", { token: server.token({ role: "user" }) }),
    ).to.include({ subject: "user-1" });
    server.clock.advance(1_000);
    expectError(
      await ask(client, "refresh", { token: server.token({ role: "root" }) }),
      "token_invalid",
    );
    expect(await resultOf(client, "whoami")).to.include({ state: "active", expiresIn: 899 });
  });
});
