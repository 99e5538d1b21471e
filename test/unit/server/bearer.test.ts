import { expect } from "chai";
import { type TokenRefusedCode, TokenRefusedError } from "../../../src/auth/refusal.js";
import { RevocationList } from "../../../src/auth/revocation/revocation-list.js";
import { BearerTokens } from "../../../src/server/http/bearer.js";
import { recordingLogger } from "../../helpers/server/test-server.js";
import { refusalOf } from "../../helpers/tokens/verification.js";

const token = Object.freeze({
  ...{ issuer: "https://id.test", subject: "ada", scopes: [], claims: {}, expiresAt: 2e9 },
  ...{
    issuedAt: 1,
    fingerprint: "f",
    tokenId: "t1",
    sessionId: undefined,
    clientId: undefined,
    acrValues: [],
    authenticatedAt: undefined,
  },
});

function rigOf(
  verify: () => Promise<typeof token>,
  { isBarred = false, mayTake = true, revoked = [] as readonly string[] } = {},
) {
  const failed: string[] = [];
  let verified = 0;
  const revocations = new RevocationList();
  for (const jti of revoked) revocations.add({ jti });
  const { logger, lines } = recordingLogger();
  const bearer = new BearerTokens({
    authority: {
      verify: () => {
        verified++;
        return verify();
      },
    },
    revocations,
    addresses: { failed: (address) => failed.push(address) },
    upgradeChecks: { isBarred: () => isBarred },
    authRate: { take: () => mayTake },
    log: logger,
  });
  return { bearer, failed, lines, verified: () => verified };
}

const address = "192.0.2.1";

describe("A token over HTTP", () => {
  it("counts against its address when it is refused; one without an address counts against nobody", async () => {
    for (const reason of ["token_invalid", "token_revoked"] satisfies TokenRefusedCode[]) {
      const { bearer, failed, lines } = rigOf(() =>
        Promise.reject(new TokenRefusedError(reason, "x")),
      );
      expect((await refusalOf(bearer.verify("x.y.z", address))).code).to.equal(reason);
      expect(failed, reason).to.deep.equal([address]);
      expect((await refusalOf(bearer.verify("x.y.z"))).code).to.equal(reason);
      expect(failed, reason).to.deep.equal([address]);
      expect(lines.map(({ fields }) => [fields.event, fields.address])).to.deep.equal([
        ["http.auth.fail", address],
        ["http.auth.fail", undefined],
      ]);
    }
  });

  it("does not when it was good until it expired", async () => {
    const { bearer, failed } = rigOf(() =>
      Promise.reject(new TokenRefusedError("token_expired", "x")),
    );
    expect((await refusalOf(bearer.verify("x.y.z", address))).code).to.equal("token_expired");
    expect(failed).to.deep.equal([]);
  });

  it("is refused, and counts, when it was revoked; one that was not is somebody's", async () => {
    const good = rigOf(async () => token, { revoked: ["t2"] });
    expect(await good.bearer.verify("x.y.z", address)).to.include({ subject: "ada" });
    expect(good.failed).to.deep.equal([]);
    const revoked = rigOf(async () => token, { revoked: ["t1"] });
    expect((await refusalOf(revoked.bearer.verify("x.y.z", address))).code).to.equal(
      "token_revoked",
    );
    expect(revoked.failed).to.deep.equal([address]);
  });

  it("does not when nobody could judge it, since the store or the keys are away, and says when to come again", async () => {
    for (const [thrown, retryAfter] of [
      [new TokenRefusedError("auth_unavailable", "kid", 7_200), 7_200],
      [new Error("the store is gone"), 1_000],
    ] as const) {
      const { bearer, failed } = rigOf(() => Promise.reject(thrown));
      expect(await refusalOf(bearer.verify("x.y.z", address))).to.include({
        ...{ code: "auth_unavailable", retryAfter },
      });
      expect(failed).to.deep.equal([]);
    }
  });

  it("is not verified for an address with too many refused ones, or too many in this second", async () => {
    for (const [limits, retryAfter] of [
      [{ isBarred: true }, 60_000],
      [{ mayTake: false }, 1_000],
    ] as const) {
      const { bearer, verified } = rigOf(async () => token, limits);
      expect(await refusalOf(bearer.verify("x.y.z", address))).to.include({
        ...{ code: "rate_limited", retryAfter },
      });
      expect(verified()).to.equal(0);
      expect(await bearer.verify("x.y.z"), "the application's own").to.include({ subject: "ada" });
    }
  });
});
