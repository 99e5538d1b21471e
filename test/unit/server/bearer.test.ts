import { expect } from "chai";
import { type TokenRefusedCode, TokenRefusedError } from "../../../src/auth/refusal.js";
import { RevocationList } from "../../../src/auth/revocation/revocation-list.js";
import { judgeBearer } from "../../../src/server/http/bearer.js";
import { recordingLogger } from "../../helpers/server/test-server.js";

/**
 * How often the address of a token has failed, after its verification failed with this; and when
 * the token may be judged.
 */
async function failuresAfter(
  thrown: Error,
): Promise<{ readonly failures: number; readonly retryAfter: number | undefined }> {
  let failures = 0;
  const { auth, retryAfter } = await judgeBearer("x.y.z", "192.0.2.1", {
    authority: { verify: () => Promise.reject(thrown) },
    revocations: { list: new RevocationList() },
    addresses: { failed: () => failures++ },
    log: recordingLogger().logger,
  });
  expect(auth).to.equal(null);
  return { failures, retryAfter };
}

describe("A token over HTTP", () => {
  it("counts against its address when it is refused", async () => {
    for (const reason of ["token_invalid", "token_revoked"] satisfies TokenRefusedCode[])
      expect(await failuresAfter(new TokenRefusedError(reason, "x")), reason).to.deep.equal({
        failures: 1,
        retryAfter: undefined,
      });
  });

  it("does not when it was good until it expired", async () => {
    expect(await failuresAfter(new TokenRefusedError("token_expired", "x"))).to.deep.equal({
      failures: 0,
      retryAfter: undefined,
    });
  });

  it("is refused, and counts, when it was revoked; one that was not is somebody's", async () => {
    for (const revoked of ["t1", "t2"]) {
      const list = new RevocationList();
      list.add({ jti: revoked });
      const token = Object.freeze({
        ...{
          issuer: "https://id.test",
          subject: "ada",
          scopes: [],
          claims: {},
          expiresAt: 2e9,
          issuedAt: 1,
          fingerprint: "f",
        },
        ...{ tokenId: "t1", sessionId: undefined, clientId: undefined },
      });
      let failures = 0;
      const { auth } = await judgeBearer("x.y.z", "192.0.2.1", {
        authority: { verify: async () => token },
        revocations: { list },
        addresses: { failed: () => failures++ },
        log: recordingLogger().logger,
      });
      expect([auth?.subject, failures], revoked).to.deep.equal(
        revoked === "t1" ? [undefined, 1] : ["ada", 0],
      );
    }
  });

  it("does not when nobody could judge it, since the store or the keys are away, and says when to come again", async () => {
    expect(await failuresAfter(new TokenRefusedError("auth_unavailable", "no keys"))).to.deep.equal(
      {
        failures: 0,
        retryAfter: 1,
      },
    );
    expect(
      await failuresAfter(new TokenRefusedError("auth_unavailable", "kid", 7_200)),
    ).to.deep.equal({
      failures: 0,
      retryAfter: 8,
    });
    expect(await failuresAfter(new Error("the store is gone"))).to.deep.equal({
      failures: 0,
      retryAfter: 1,
    });
  });
});
