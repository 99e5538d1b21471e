import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { LoginFailure } from "../../client/login/index.js";
import { createRpc } from "../../src/index.js";
import { resultOf } from "../helpers/server/frames.js";
import { startServer } from "../helpers/server/test-server.js";
import { openIssuer, password } from "../helpers/tokens/test-issuer.js";

const reports = fileURLToPath(new URL("../../api/", import.meta.url));
const chosen = "a password of my own";

/** Every public name with a token in it, and what the token is. */
const vocabulary: Readonly<Record<string, readonly string[]>> = {
  "an access token": [
    ...["token", "Token", "testToken", "TestTokenOptions", "accessTokenTtl", "SignedToken"],
    ...["TokenRequest", "TokenReason", "TokenCallback", "tokenTimeout", "LoginTokenRequest"],
    ...["token_invalid", "token_expired", "token_revoked", "newToken", "new_token"],
    ...["TokenVerifier", "TokenVerifierOptions", "StandaloneTokenVerifier", "createTokenVerifier"],
    ...["tokenId", "tokenOf", "tokensPerSubject", "limitedTokens", "maxTokenLength"],
  ],
  "a refresh token": ["refreshToken", "revokeRefreshToken"],
  "both of them": ["TokenSet", "RenewedTokens"],
  "whatever was refused": ["TokenRefusedError", "TokenRefusedCode"],
  "a password token": [
    ...["passwordToken", "PasswordTokenRecord", "passwordTokenHash", "invalid_password_token"],
  ],
};

async function start() {
  const { issuer, clock } = await openIssuer();
  const rpc = createRpc({ scopes: ["orders:read", "orders:write"] });
  const server = await startServer(rpc.router({}), { auth: issuer, clock });
  const post = async (path: string, body: object) => {
    const response = await fetch(new URL(path, server.url.replace("ws", "http")), {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "Content-Type": "application/json" },
    });
    return (await response.json()) as Readonly<Record<string, string>>;
  };
  return { ...server, issuer, post };
}

describe("An access token is `token`, a refresh token is `refreshToken`", () => {
  it("in TypeScript: what logs in or renews returns both by these names", async () => {
    await using server = await start();
    const { issuer } = server;
    const login = await issuer.login("ada", password);
    expect(login).to.have.all.keys("token", "refreshToken", "expiresIn", "scopes");
    expect(await issuer.renew(login.refreshToken)).to.have.all.keys("token", "refreshToken");
    const passwordToken = (await issuer.users.resetPassword("ada")) ?? "";
    expect(await issuer.setPassword(passwordToken, chosen)).to.have.all.keys(
      ...["token", "refreshToken", "expiresIn", "scopes"],
    );
  });

  it("on the wire: params and results have these names, as in TypeScript", async () => {
    await using server = await start();
    const { token, refreshToken } = await server.issuer.login("ada", password);
    const client = await server.connect();
    await resultOf(client, "authenticate", { token });
    const renewed = await resultOf(client, "refresh", { refreshToken });
    expect(renewed.token).to.match(/^eyJ/);
    expect(renewed.refreshToken).to.be.a("string").and.not.equal(refreshToken);
    for (const result of [renewed, await resultOf(client, "whoami")])
      expect(Object.keys(result).filter((name) => /access|_token|jwt/i.test(name))).to.deep.equal(
        [],
      );
    expect(await resultOf(client, "refresh", { token: renewed.token })).to.include({
      subject: "ada",
    });
  });

  it("over HTTP: the names of RFC 6749 §5.1, since OAuth forces them, in answers and parameters", async () => {
    await using server = await start();
    const names = ["access_token", "token_type", "expires_in", "refresh_token", "scope"];
    const login = await server.post("/login", { username: "ada", password });
    expect(login).to.have.all.keys(...names);
    const { refresh_token } = login;
    const refreshed = await server.post("/token", { grant_type: "refresh_token", refresh_token });
    expect(refreshed).to.have.all.keys(...names);
    const password_token = await server.issuer.users.resetPassword("ada");
    const set = await server.post("/password", { password_token, password: chosen });
    expect(set).to.have.all.keys(...names);
    expect(await server.post("/revoke", { token: set.access_token })).to.deep.equal({}); // RFC 7009
    for (const [path, form] of [
      ["/token", { grant_type: "refresh_token", refreshToken: set.refresh_token }],
      ["/password", { token: password_token, password: chosen }],
    ] as const)
      expect((await server.post(path, form)).error, path).to.equal("invalid_request");
  });

  it("a token of one kind is never taken for one of another", async () => {
    await using server = await start();
    const { issuer, post } = server;
    const { token, refreshToken } = await issuer.login("ada", password);
    const passwordToken = (await issuer.users.resetPassword("ada")) ?? "";
    for (const other of [token, refreshToken]) {
      const reply = await post("/password", { password_token: other, password: chosen });
      expect(reply.error).to.equal("invalid_grant");
    }
    for (const other of [token, passwordToken]) {
      const form = { grant_type: "refresh_token", refresh_token: other };
      expect((await post("/token", form)).error).to.equal("invalid_grant");
    }
    expect(await post("/revoke", { token: passwordToken })).to.deep.equal({});
    const client = await server.connect();
    for (const other of [refreshToken, passwordToken])
      expect((await client.call("authenticate", { token: other })).error?.code).to.equal(-32004);
    expect(await issuer.setPassword(passwordToken, chosen), "none used it up").to.have.property(
      "token",
    );
  });

  it("in every public name: each one stands for one kind of token", () => {
    const found = readdirSync(reports).flatMap((name) =>
      [...readFileSync(reports + name, "utf8").matchAll(/\b\w*(?:token|jwt(?!wire))\w*\b/gi)].map(
        ([word]) => word,
      ),
    );
    const known = new Set(Object.values(vocabulary).flat());
    expect(known.size).to.equal(Object.values(vocabulary).flat().length);
    expect([...new Set(found)].filter((word) => !known.has(word)).sort()).to.deep.equal([]);
    expect([...known].filter((word) => !found.includes(word)).sort(), "gone").to.deep.equal([]);
    expect(new LoginFailure("invalid_password_token", "").code).to.equal("invalid_password_token");
  });
});
