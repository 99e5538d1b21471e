import { expect } from "chai";
import { MemoryRates } from "../../../src/store/memory/memory-rates.js";

describe("rates in memory", () => {
  it("begin anew a minute after the first, not after the last", async () => {
    const rates = new MemoryRates();
    await rates.add("k", 100);
    await rates.add("k", 159);
    expect(await rates.get("k", 159)).to.deep.equal({ count: 2, endsIn: 1 });
    expect(await rates.get("k", 160)).to.deep.equal({ count: 0, endsIn: 0 });
    await rates.giveBack("k", 160);
    expect(await rates.add("k", 160)).to.deep.equal({ count: 1, endsIn: 60 });
  });

  it("close nobody out for longer when the clock is set back", async () => {
    const rates = new MemoryRates();
    await rates.add("k", 100);
    expect((await rates.get("k", 50)).count).to.equal(0);
  });

  it("are at most 65,536: the oldest are forgotten first", async () => {
    const rates = new MemoryRates();
    for (let n = 0; n <= 65_536; n++) await rates.add(`k${n}`, 100);
    expect((await rates.get("k0", 100)).count).to.equal(0);
    expect((await rates.get("k1", 100)).count).to.equal(1);
    expect((await rates.get("k65536", 100)).count).to.equal(1);
  });
});
