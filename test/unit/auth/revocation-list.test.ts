import { expect } from "chai";
import type { VerifiedToken } from "../../../src/auth/provider-options.js";
import { RevocationList } from "../../../src/auth/revocation/revocation-list.js";

const token: VerifiedToken = {
  issuer: "https://a.test",
  subject: "ada",
  scopes: [],
  claims: {},
  expiresAt: 2_000_000,
  issuedAt: 1_000_000,
  tokenId: "t1",
  sessionId: "s1",
  clientId: undefined,
  acrValues: [],
  authenticatedAt: undefined,
  fingerprint: "f1",
};

describe("the list of revocations", () => {
  for (const [what, hit, miss] of [
    ["a token by its jti", { jti: "t1" }, { jti: "t2" }],
    ["a session by its sid", { sessionId: "s1" }, { sessionId: "t1" }],
    ["a subject", { subject: "ada" }, { subject: "Ada" }],
    [
      "a subject's tokens up to a moment",
      { subject: "ada", issuedBefore: 1_000 },
      { subject: "ada", issuedBefore: 999 },
    ],
    [
      "one issuer's subject",
      { subject: "ada", issuer: "https://a.test" },
      { subject: "ada", issuer: "https://b.test" },
    ],
  ] as const) {
    it(`finds ${what}, and no other`, () => {
      const list = new RevocationList();
      list.add(miss);
      expect(list.find(token)).to.equal(undefined);
      list.add(hit);
      expect(list.find(token)).to.include(hit);
    });
  }

  it("takes a token that does not say when it was issued for as old as any", () => {
    const list = new RevocationList();
    list.add({ subject: "ada", issuedBefore: 1 });
    expect(list.find({ ...token, issuedAt: undefined })).to.include({ subject: "ada" });
    expect(list.find(token)).to.equal(undefined);
  });

  it("keeps a margin of newer tokens beside what ended older ones at once", () => {
    const list = new RevocationList();
    list.add({ subject: "ada", issuedBefore: 900 });
    list.add({ subject: "ada", issuedBefore: 950, enforceAt: 5_000 });
    list.add({ subject: "ada", issuedBefore: 1_000, enforceAt: 9_000 });
    expect(list.find(token)).to.include({ issuedBefore: 1_000, enforceAt: 9_000 });
    expect(list.find({ ...token, issuedAt: 900_000 })?.enforceAt ?? 0).to.equal(0);
    expect(list.find({ ...token, issuedAt: 1_001_000 })).to.equal(undefined);
    const earlier = { subject: "ada", issuedBefore: 1_000, enforceAt: 8_000 };
    expect(list.add({ ...earlier, enforceAt: 9_500 }), "covered").to.equal(false);
    expect(list.add(earlier)).to.equal(true);
    expect(list.find(token)).to.include({ enforceAt: 8_000 });
    expect(list.values()).to.have.length(2);
  });

  it("is not fooled by names of object members", () => {
    const list = new RevocationList();
    list.add({ jti: "__proto__" });
    expect(list.find({ ...token, tokenId: "constructor" })).to.equal(undefined);
    expect(list.find({ ...token, tokenId: "__proto__" })).to.include({ jti: "__proto__" });
  });

  it("tells by its version that there is something new, and only then", () => {
    const list = new RevocationList();
    const before = list.version;
    expect(list.add({ jti: "t9" })).to.equal(true);
    expect(list.version).to.be.greaterThan(before);
    const after = list.version;
    expect(list.add({ jti: "t9" })).to.equal(false);
    expect(list.version).to.equal(after);
  });

  it("never loses reach when a narrower revocation of the same target comes later", () => {
    const list = new RevocationList();
    list.add({ subject: "ada", until: 5_000 });
    list.add({ subject: "ada", issuedBefore: 10, until: 9_000 });
    expect(list.find(token)).to.include({ subject: "ada" });
    list.sweep(6_000);
    expect(list.size).to.equal(1);
  });

  it("forgets what need not be remembered, and nothing else", () => {
    const list = new RevocationList();
    list.add({ jti: "t1", until: 100 });
    list.add({ sessionId: "s1" });
    list.sweep(99);
    expect(list.size).to.equal(2);
    list.sweep(100);
    expect(list.size).to.equal(1);
    expect(list.find(token)).to.include({ sessionId: "s1" });
  });
});
