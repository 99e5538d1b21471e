import { expect } from "chai";
import { Deadlines } from "../../../src/rpc/dispatch/deadlines.js";
import { ManualClock } from "../../helpers/manual-clock.js";

describe("deadlines", () => {
  const setUp = () => {
    const clock = new ManualClock();
    const due: string[] = [];
    return { clock, due, deadlines: new Deadlines<string>(clock, (item) => due.push(item)) };
  };

  it("are told at their time, and not before", () => {
    const { clock, due, deadlines } = setUp();
    deadlines.add("a", 1_000);
    clock.advance(999);
    expect(due).to.deep.equal([]);
    clock.advance(1);
    expect(due).to.deep.equal(["a"]);
  });

  it("of several durations are told in the order of their times", () => {
    const { clock, due, deadlines } = setUp();
    deadlines.add("late", 1_000);
    deadlines.add("early", 100);
    clock.advance(50);
    deadlines.add("later", 1_000);
    clock.advance(2_000);
    expect(due).to.deep.equal(["early", "late", "later"]);
  });

  it("share one timer for each duration", () => {
    const { clock, deadlines } = setUp();
    for (let i = 0; i < 1_000; i++) deadlines.add(`item ${i}`, 30_000);
    expect(clock.pending).to.equal(1);
  });

  it("that were taken back are not told, and leave no timer behind", () => {
    const { clock, due, deadlines } = setUp();
    deadlines.add("a", 1_000);
    deadlines.delete("a", 1_000);
    clock.advance(1_000);
    expect(due).to.deep.equal([]);
    expect(clock.pending).to.equal(0);
  });

  it("stop with clear", () => {
    const { clock, due, deadlines } = setUp();
    deadlines.add("a", 1_000);
    deadlines.clear();
    expect(clock.pending).to.equal(0);
    clock.advance(5_000);
    expect(due).to.deep.equal([]);
  });
});
