import { expect } from "chai";
import { type Auth, accessRule, checkAccess } from "../../../src/rpc/define/access.js";

function authWith(...scopes: string[]): Auth {
  return {
    issuer: "https://id.test",
    subject: "ada",
    scopes,
    claims: { role: "user" },
    expiresAt: 0,
    tokenId: undefined,
    sessionId: undefined,
    clientId: undefined,
    acrValues: [],
    authenticatedAt: undefined,
  };
}

const names = ["admin", "admin ", "Admin", "orders:read", "orders", "orders:", "*"];

describe("an access rule", () => {
  it("compares scopes exactly, case and white space and all", () => {
    for (const needed of names.filter((name) => !name.includes(" "))) {
      const rule = accessRule(false, [needed], undefined);
      for (const held of names)
        expect(checkAccess(rule, authWith(held)) === null, `${needed} by ${held}`).to.equal(
          needed === held,
        );
    }
  });

  it("of several scopes needs them all, and says which are missing", () => {
    const rule = accessRule(false, [["a", "b"]], undefined);
    expect(checkAccess(rule, authWith("a", "b", "c"))).to.equal(null);
    expect(checkAccess(rule, authWith("a"))).to.deep.include({ code: -32003 });
    expect(checkAccess(rule, authWith("a"))?.data).to.deep.include({
      required: ["a", "b"],
      missing: ["b"],
      executed: false,
    });
  });

  it("with anyOf needs one of them", () => {
    const rule = accessRule(false, [{ anyOf: ["a", "b"] }], undefined);
    expect(checkAccess(rule, authWith("b"))).to.equal(null);
    expect(checkAccess(rule, authWith("c"))).to.deep.include({ code: -32003 });
  });

  it("without a scope is for anybody who is authenticated, and nobody else", () => {
    const rule = accessRule(false, [], undefined);
    expect(checkAccess(rule, authWith())).to.equal(null);
    expect(checkAccess(rule, null)).to.deep.include({ code: -32001 });
  });

  it("that is public is for anybody", () => {
    expect(checkAccess(accessRule(true, [], undefined), null)).to.equal(null);
  });
});
