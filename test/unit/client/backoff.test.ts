import { expect } from "chai";
import { describe, it } from "mocha";
import { backoff, between } from "../../../client/transport/backoff.js";

const range = { min: 500, max: 20_000 };

describe("backoff", () => {
  it("lies between the least wait and a ceiling that doubles with each try", () => {
    expect(backoff(1, range, 0)).to.equal(500);
    expect(backoff(1, range, 0.999_999)).to.be.closeTo(1_000, 1);
    expect(backoff(2, range, 0.999_999)).to.be.closeTo(2_000, 1);
    expect(backoff(4, range, 0.5)).to.equal(4_250);
  });

  it("never exceeds the longest wait, however often it was tried", () => {
    for (const attempt of [6, 7, 100, 1_000_000])
      expect(backoff(attempt, range, 0.999_999)).to.be.within(500, 20_000);
  });

  it("is the least wait when the longest is less", () => {
    expect(backoff(3, { min: 500, max: 100 }, 0.7)).to.equal(500);
  });

  it("takes the point of a range that the random number names", () => {
    expect(between(2, 6, 0)).to.equal(2);
    expect(between(2, 6, 0.25)).to.equal(3);
  });
});
