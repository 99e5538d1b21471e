import { expect } from "chai";
import { type KeyRing, planRing, signerOf } from "../../../src/issuer/tokens/key-ring.js";

const times = { rotationInterval: 10_000, publishAhead: 600, retirement: 960 };
const ring = (...from: number[]): KeyRing =>
  from.map((activeFrom) => ({ jwk: { kty: "EC", kid: `k${activeFrom}` }, activeFrom }));

describe("the plan for signing keys", () => {
  it("makes the first key for use at once", () => {
    expect(planRing([], 5, times)).to.deep.equal({ keep: [], newKeyFrom: 5 });
  });

  it("publishes the next key ahead of its use", () => {
    expect(planRing(ring(0), 9_399, times).newKeyFrom).to.equal(undefined);
    expect(planRing(ring(0), 9_400, times).newKeyFrom).to.equal(10_000);
    expect(planRing(ring(0, 10_000), 9_400, times).newKeyFrom).to.equal(undefined);
  });

  it("publishes it as long ahead when rotation is overdue", () => {
    expect(planRing(ring(0), 50_000, times).newKeyFrom).to.equal(50_600);
  });

  it("shows the old key until its last token has expired", () => {
    expect(planRing(ring(0, 10_000), 10_959, times).keep).to.have.length(2);
    expect(planRing(ring(0, 10_000), 10_960, times).keep).to.deep.equal(ring(10_000));
  });

  it("signs with the youngest key whose time has come", () => {
    expect(signerOf(ring(0, 10_000), 9_999)?.jwk.kid).to.equal("k0");
    expect(signerOf(ring(0, 10_000), 10_000)?.jwk.kid).to.equal("k10000");
    expect(signerOf(ring(100), 50)?.jwk.kid).to.equal("k100"); // the clock was set back
    expect(signerOf([], 50)).to.equal(undefined);
  });
});
