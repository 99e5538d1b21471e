import { expect } from "chai";
import { describe, it } from "mocha";
import type { IssuerOptions, TokenSet } from "../../src/issuer/index.js";
import { eventually } from "../helpers/eventually.js";
import { expectClose, expectError } from "../helpers/server/expected.js";
import { ask, leftovers, resultOf } from "../helpers/server/frames.js";
import { protocolApp } from "../helpers/server/protocol-app.js";
import { startServer } from "../helpers/server/test-server.js";
import { openIssuer, password } from "../helpers/tokens/test-issuer.js";

/** A server with its embedded issuer, on one manual clock. */
async function startWithIssuer(options: Partial<IssuerOptions> = {}) {
  const { issuer, clock } = await openIssuer({ accessTokenTtl: 300_000, ...options });
  await issuer.users.add("bob", password, {});
  const limits = {
    pingInterval: Number.POSITIVE_INFINITY,
    openFramesPerSecond: Number.POSITIVE_INFINITY,
  };
  const server = await startServer(protocolApp().app, { auth: issuer, clock, limits });
  const grant = (name = "ada") => issuer.login(name, password);
  const enter = async ({ token }: TokenSet) => {
    const client = await server.connect();
    await resultOf(client, "authenticate", { token });
    return client;
  };
  return { ...server, issuer, clock, grant, enter };
}

describe("Protocol §3, the server's own issuer", () => {
  it("refresh with a refresh token rotates it: the result has token and refreshToken, both new", async () => {
    await using server = await startWithIssuer();
    const tokens = await server.grant();
    const client = await server.enter(tokens);
    server.clock.advance(100_000);
    const result = await resultOf(client, "refresh", { refreshToken: tokens.refreshToken });
    expect(result).to.include({ subject: "ada", changed: true, gap: false, expiresIn: 300 });
    expect(result.token).to.be.a("string").and.not.equal(tokens.token);
    expect(result.refreshToken).to.be.a("string").and.not.equal(tokens.refreshToken);
    const again = await resultOf(client, "refresh", { refreshToken: result.refreshToken });
    expect(again.refreshToken).to.not.equal(result.refreshToken);
  });

  it("an expired session is revived by a refresh token", async () => {
    await using server = await startWithIssuer();
    const tokens = await server.grant();
    const client = await server.enter(tokens);
    server.clock.advance(300_000);
    const refused = await ask(client, "echo");
    expectError(refused, "token_expired", { context: "session" });
    expect(refused.error?.data?.hint, "what to type").to.include(
      '"params":{"refreshToken":"<refresh token>"}',
    );
    expect(await resultOf(client, "refresh", { refreshToken: tokens.refreshToken })).to.include({
      changed: true,
    });
    expect((await ask(client, "echo", [1])).result).to.deep.equal([1]);
  });

  it("after 4401 token_expired a refresh token is good at POST /token, for the next connection", async () => {
    await using server = await startWithIssuer();
    const tokens = await server.grant();
    const client = await server.enter(tokens);
    server.clock.advance(300_000);
    await leftovers(client);
    server.clock.advance(30_000);
    await expectClose(client, "token_expired");
    const next = await server.connect();
    const { refreshToken } = tokens;
    expectError(await ask(next, "refresh", { refreshToken }), "unauthenticated");
    const answer = await fetch(`${server.url.replace(/^ws(.*)\/rpc$/, "http$1")}/token`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ grant_type: "refresh_token", refresh_token: refreshToken }),
    });
    const { access_token: token } = (await answer.json()) as { readonly access_token: string };
    expect(await resultOf(next, "authenticate", { token })).to.include({ subject: "ada" });
  });

  it("a refresh token is single use: reuse after rotation is -32005, and every connection of its family is closed 4401", async () => {
    await using server = await startWithIssuer();
    const tokens = await server.grant();
    const [first, second] = [await server.enter(tokens), await server.enter(tokens)];
    const [other, bob] = [
      await server.enter(await server.grant()),
      await server.enter(await server.grant("bob")),
    ];
    const renewed = await resultOf(first, "refresh", { refreshToken: tokens.refreshToken });
    server.clock.advance(11_000); // past the reuse window
    const answer = await ask(second, "refresh", { refreshToken: tokens.refreshToken });
    expectError(answer, "token_revoked");
    await expectClose(first, "token_revoked");
    await expectClose(second, "token_revoked");
    for (const client of [other, bob])
      expect(await resultOf(client, "whoami"), "another family").to.include({ state: "active" });
    expectError(
      await ask(await server.connect(), "authenticate", { token: renewed.token }),
      "token_revoked",
    );
    expectError(
      await ask(other, "refresh", { refreshToken: renewed.refreshToken }),
      "token_revoked",
    );
  });

  it("within the reuse window of 10 s the same successor is returned again, as long as it was not used itself", async () => {
    await using server = await startWithIssuer();
    const tokens = await server.grant();
    const client = await server.enter(tokens);
    const first = await resultOf(client, "refresh", { refreshToken: tokens.refreshToken });
    server.clock.advance(9_000);
    const again = await resultOf(client, "refresh", { refreshToken: tokens.refreshToken });
    expect(again.refreshToken).to.equal(first.refreshToken);
    await resultOf(client, "refresh", { refreshToken: first.refreshToken });
    expectError(
      await ask(client, "refresh", { refreshToken: tokens.refreshToken }),
      "token_revoked",
    );
    await expectClose(client, "token_revoked");
  });

  it("a refresh token is not used up for a peer that has hung up: its late use and one on another connection are not two", async () => {
    await using server = await startWithIssuer();
    const tokens = await server.grant();
    const [gone, here] = [await server.enter(tokens), await server.enter(tokens)];
    gone.send({
      jsonrpc: "2.0",
      id: 1,
      method: "refresh",
      params: { refreshToken: tokens.refreshToken },
    });
    gone.socket.terminate();
    const details = () =>
      server.log.map(({ fields }) => (fields as { readonly detail?: string }).detail);
    await eventually(() =>
      expect(details()).to.include("the peer has disconnected; its refresh token is not consumed"),
    );
    server.clock.advance(11_000); // a used one would be past the reuse window
    expect(await resultOf(here, "refresh", { refreshToken: tokens.refreshToken })).to.include({
      changed: true,
    });
  });

  it("a refresh token that nobody issued is -32005, and the session stays in force", async () => {
    await using server = await startWithIssuer();
    const client = await server.enter(await server.grant());
    expectError(await ask(client, "refresh", { refreshToken: "no such token" }), "token_revoked");
    expect(await resultOf(client, "whoami")).to.include({ state: "active", subject: "ada" });
  });

  it("a refresh token of somebody else is -32006, nothing changes, and it is not used up", async () => {
    await using server = await startWithIssuer();
    const [ada, bob] = [await server.grant(), await server.grant("bob")];
    const [client, owner] = [await server.enter(ada), await server.enter(bob)];
    expectError(
      await ask(client, "refresh", { refreshToken: bob.refreshToken }),
      "subject_mismatch",
    );
    expect(await resultOf(client, "whoami")).to.include({ state: "active", subject: "ada" });
    server.clock.advance(11_000);
    expect(await resultOf(owner, "refresh", { refreshToken: bob.refreshToken })).to.include({
      changed: true,
      subject: "bob",
    });
    expect(await resultOf(client, "whoami")).to.include({ state: "active" });
  });

  it("a token and a refresh token together are -32602, and neither is used; nor is a refresh token that is no string", async () => {
    await using server = await startWithIssuer();
    const [tokens, other] = [await server.grant(), await server.grant()];
    const client = await server.enter(tokens);
    for (const params of [
      { token: other.token, refreshToken: tokens.refreshToken },
      { token: null, refreshToken: tokens.refreshToken },
      { refreshToken: [tokens.refreshToken] },
    ]) {
      expect((await ask(client, "refresh", params)).error?.code, JSON.stringify(params)).to.equal(
        -32602,
      );
    }
    server.clock.advance(11_000); // a used one would be past the reuse window
    expect(await resultOf(client, "refresh", { refreshToken: tokens.refreshToken })).to.include({
      changed: true,
    });
  });

  it("logout with a refresh token revokes its family: this socket is back in OPEN, and the family's others are closed 4401", async () => {
    await using server = await startWithIssuer();
    const tokens = await server.grant();
    const [first, second, other] = [
      await server.enter(tokens),
      await server.enter(tokens),
      await server.enter(await server.grant()),
    ];
    expect(await resultOf(first, "logout", { refreshToken: tokens.refreshToken })).to.deep.equal({
      ok: true,
    });
    await expectClose(second, "token_revoked");
    expect(await resultOf(first, "whoami")).to.include({ state: "open", subject: null });
    expect(await resultOf(other, "whoami")).to.include({ state: "active" });
    expectError(await ask(first, "authenticate", { token: tokens.token }), "token_revoked");
    expectError(
      await ask(other, "refresh", { refreshToken: tokens.refreshToken }),
      "token_revoked",
    );
  });

  it("logout without a refresh token leaves the family alone", async () => {
    await using server = await startWithIssuer();
    const tokens = await server.grant();
    const [first, second] = [await server.enter(tokens), await server.enter(tokens)];
    expect(await resultOf(first, "logout")).to.deep.equal({ ok: true });
    expect(await leftovers(second)).to.deep.equal([]);
    expect(await resultOf(second, "refresh", { refreshToken: tokens.refreshToken })).to.include({
      changed: true,
    });
  });

  it("§10 the family's id is the token's sid, so it is revoked by sessionId", async () => {
    await using server = await startWithIssuer();
    const tokens = await server.grant();
    const [client, other] = [await server.enter(tokens), await server.enter(await server.grant())];
    const { sid } = JSON.parse(
      Buffer.from(tokens.token.split(".")[1] ?? "", "base64url").toString(),
    );
    expect(sid).to.be.a("string");
    await server.server.revoke({ sessionId: sid });
    await expectClose(client, "token_revoked");
    expect(await resultOf(other, "whoami")).to.include({ state: "active" });
  });
});
