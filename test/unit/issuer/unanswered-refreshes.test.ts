import { expect } from "chai";
import { UnansweredRefreshes } from "../../../src/issuer/tokens/unanswered-refreshes.js";

describe("uses of refresh tokens that were not answered", () => {
  it("are known by their first time until they are answered", () => {
    const uses = new UnansweredRefreshes();
    expect(uses.waitOf("a", 100)).to.equal(0);
    uses.add("a", 100);
    uses.add("a", 130);
    expect(uses.waitOf("a", 150)).to.equal(50);
    expect(uses.waitOf("b", 150)).to.equal(0);
    expect(uses.waitOf("a", 90)).to.equal(0); // a clock that was set back
    expect(uses.waitOf("a", 3_700)).to.equal(3_600);
    expect(uses.waitOf("a", 100_000), "no outage counts for longer").to.equal(3_600);
    uses.delete("a");
    expect(uses.waitOf("a", 150)).to.equal(0);
  });

  it("are forgotten after an hour, and the oldest when there are too many", () => {
    const uses = new UnansweredRefreshes();
    uses.add("old", 0);
    uses.add("new", 3_600);
    expect(uses.size).to.equal(1);
    for (let n = 0; n < 10_100; n++) uses.add(`${n}`, 3_601);
    expect(uses.size).to.equal(10_000);
    expect(uses.waitOf("new", 3_700)).to.equal(0);
    expect(uses.waitOf("10099", 3_700)).to.equal(99);
  });
});
