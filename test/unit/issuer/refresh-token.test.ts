import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { hashOf } from "../../../src/issuer/digest.js";
import { RefreshTokens } from "../../../src/issuer/tokens/refresh-token.js";

const family = randomBytes(16).toString("base64url");

describe("refresh tokens", () => {
  const tokens = new RefreshTokens(randomBytes(32));

  it("are the same again for the same family and generation, and else never", () => {
    expect(tokens.derive(family, 1)).to.equal(tokens.derive(family, 1));
    const many = new Set<string>();
    for (let n = 1; n <= 100_000; n += 1) many.add(tokens.derive(family, n));
    expect(many.size).to.equal(100_000);
    expect(new RefreshTokens(randomBytes(32)).derive(family, 1)).to.not.equal(
      tokens.derive(family, 1),
    );
  });

  it("have as many ones as zeros in their secret part (monobit)", () => {
    let ones = 0;
    const samples = 2_000;
    for (let n = 1; n <= samples; n += 1) {
      const secret = Buffer.from(
        tokens.derive(family, n).split(".")[1] ?? "",
        "base64url",
      ).subarray(4);
      for (const byte of secret) ones += byte.toString(2).replaceAll("0", "").length;
    }
    const bits = samples * 256;
    expect(Math.abs(2 * ones - bits) / Math.sqrt(bits)).to.be.below(4.5); // standard deviations
  });

  it("are taken apart again", () => {
    const token = tokens.derive(family, 7);
    expect(tokens.parse(token)).to.deep.equal({
      familyId: family,
      generation: 7,
      hash: hashOf(token),
    });
  });

  it("are known for made up when a single character differs, or anything else is wrong", () => {
    const token = tokens.derive(family, 7);
    for (let at = 0; at < token.length; at += 1) {
      const other = token[at] === "A" ? "B" : "A";
      const forged = token.slice(0, at) + other + token.slice(at + 1);
      expect(tokens.parse(forged), `${at}`).to.equal(undefined);
    }
    for (const text of [
      "",
      ".",
      `${token}=`,
      ` ${token}`,
      `${token}\n`,
      token.slice(0, -1),
      `${family}.${randomBytes(36).toString("base64url")}`,
    ]) {
      expect(tokens.parse(text)).to.equal(undefined);
    }
  });
});
