import { expect } from "chai";
import { createServer, createTokenVerifier } from "../../../src/index.js";
import { TestClock, testAuth, testToken } from "../../../src/testing/index.js";
import { sampleApp } from "../../helpers/server/test-server.js";
import { reasonOf } from "../../helpers/tokens/verification.js";

describe("A test token", () => {
  it("is accepted where testAuth is the option auth, with what it was made for", async () => {
    await using server = createServer(sampleApp(), { auth: testAuth });
    const token = testToken({
      subject: "ada",
      scopes: ["orders:read", "orders:write"],
      claims: { org: "acme", acr: "mfa", auth_time: 1_790_000_000 },
    });
    const auth = await server.verify(token);
    expect(auth).to.include({ subject: "ada", authenticatedAt: 1_790_000_000_000 });
    expect(auth.scopes).to.deep.equal(["orders:read", "orders:write"]);
    expect(auth.claims).to.include({ org: "acme" });
    expect(auth.acrValues).to.deep.equal(["mfa"]);
    expect(auth.expiresAt).to.be.closeTo(Date.now() + 900_000, 60_000);
    expect(await server.verify(testToken())).to.deep.include({ subject: "test-user", scopes: [] });
  });

  it("expires when it says, and is nobody else's", async () => {
    const clock = new TestClock(1_790_000_000_500);
    using tokens = createTokenVerifier(testAuth, { testing: { clock } });
    const token = testToken({ issuedAt: clock.now(), expiresIn: 250 });
    expect(await tokens.verify(token)).to.include({ expiresAt: 1_790_000_000_750 });
    await clock.advance(249);
    await tokens.verify(token);
    await clock.advance(1);
    expect(await reasonOf(tokens.verify(token))).to.equal("token_expired");
    const expired = testToken({ issuedAt: clock.now(), expiresIn: -1 });
    expect(await reasonOf(tokens.verify(expired))).to.equal("token_expired");
    const elsewhere = testToken({ issuedAt: clock.now(), claims: { iss: "https://other.test" } });
    expect(await reasonOf(tokens.verify(elsewhere))).to.equal("token_invalid");
    await tokens.verify(testToken({ issuedAt: clock.now() }));
  });

  it("says what is wrong with its options", () => {
    expect(() => testToken({ user: "ada" } as never)).to.throw(TypeError, "testToken: there is no");
    expect(() => testToken({ scopes: "a b" as never })).to.throw("scopes must be a list");
    expect(() => testToken({ expiresIn: Number.NaN })).to.throw("must be milliseconds");
  });
});
