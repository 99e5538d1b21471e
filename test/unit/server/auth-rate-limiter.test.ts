import { expect } from "chai";
import { AuthRateLimiter } from "../../../src/server/admission/auth-rate-limiter.js";
import { ManualClock } from "../../helpers/manual-clock.js";

/** How many of so many judgements an address is given now. */
function taken(budget: AuthRateLimiter, address: string, tries = 100): number {
  let count = 0;
  for (let n = 0; n < tries; n++) if (budget.take(address)) count++;
  return count;
}

describe("the budget of tokens to be judged", () => {
  it("is so many in a second for each address, an IPv6 /64 being one, and anew in the next", () => {
    const clock = new ManualClock();
    const budget = new AuthRateLimiter(clock, 3);
    expect(taken(budget, "192.0.2.1")).to.equal(3);
    expect(taken(budget, "192.0.2.2")).to.equal(3);
    expect([
      taken(budget, "2001:db8::1", 2),
      taken(budget, "2001:db8::2"),
      taken(budget, "2001:db8:0:1::1"),
    ]).to.deep.equal([2, 1, 3]);
    clock.advance(999);
    expect(taken(budget, "192.0.2.1")).to.equal(0);
    clock.advance(1);
    expect(taken(budget, "192.0.2.1")).to.equal(3);
  });

  it("has no end with Infinity", () => {
    expect(
      taken(new AuthRateLimiter(new ManualClock(), Number.POSITIVE_INFINITY), "192.0.2.1", 1_000),
    ).to.equal(1_000);
  });
});
