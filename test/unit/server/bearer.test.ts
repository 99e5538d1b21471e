import { expect } from "chai";
import { Refusal, type RefusalReason } from "../../../src/auth/refusal.js";
import { RevocationList } from "../../../src/auth/revocation-list.js";
import { judgeBearer } from "../../../src/server/bearer.js";
import { recordingLogger } from "../../helpers/test-server.js";

/** How often the address of a token has failed, after its verification failed with this. */
async function failuresAfter(thrown: Error): Promise<number> {
  let failures = 0;
  const auth = await judgeBearer("x.y.z", "192.0.2.1", {
    authority: { verify: () => Promise.reject(thrown) },
    revocations: { list: new RevocationList() },
    addresses: { failed: () => failures++ },
    log: recordingLogger().logger,
  });
  expect(auth).to.equal(null);
  return failures;
}

describe("A token over HTTP", () => {
  it("counts against its address when it is refused", async () => {
    for (const reason of ["token_invalid", "token_expired", "token_revoked"] satisfies RefusalReason[])
      expect(await failuresAfter(new Refusal(reason, "x")), reason).to.equal(1);
  });

  it("is refused, and counts, when it was revoked; one that was not is somebody's", async () => {
    for (const revoked of ["t1", "t2"]) {
      const list = new RevocationList();
      list.add({ jti: revoked });
      const token = Object.freeze({
        ...{ issuer: "https://id.test", subject: "ada", scopes: [], claims: {}, expiresAt: 2e9, issuedAt: 1, fingerprint: "f" },
        ...{ tokenId: "t1", sessionId: undefined, clientId: undefined },
      });
      let failures = 0;
      const auth = await judgeBearer("x.y.z", "192.0.2.1", {
        authority: { verify: async () => token },
        revocations: { list },
        addresses: { failed: () => failures++ },
        log: recordingLogger().logger,
      });
      expect([auth?.subject, failures], revoked).to.deep.equal(revoked === "t1" ? [undefined, 1] : ["ada", 0]);
    }
  });

  it("does not when nobody could judge it, since the store or the keys are away", async () => {
    expect(await failuresAfter(new Refusal("auth_unavailable", "no keys"))).to.equal(0);
    expect(await failuresAfter(new Error("the store is gone"))).to.equal(0);
  });
});
