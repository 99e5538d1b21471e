import { expect } from "chai";
import { FrameRate, type Verdict } from "../../../src/server/connection/frames/frame-reader.js";
import { ManualClock } from "../../helpers/manual-clock.js";

/** What becomes of so many frames in one second, against a limit of 2. */
function frames(rate: FrameRate, clock: ManualClock, count: number): Verdict[] {
  return Array.from({ length: count }, () => rate.count(clock, 2));
}

describe("the rate of frames", () => {
  it("is over from the third of two a second on, until the second has passed", () => {
    const [rate, clock] = [new FrameRate(), new ManualClock()];
    expect(frames(rate, clock, 4)).to.deep.equal(["within", "within", "over", "over"]);
    clock.advance(999);
    expect(frames(rate, clock, 1)).to.deep.equal(["over"]);
    clock.advance(1);
    expect(frames(rate, clock, 3)).to.deep.equal(["within", "within", "over"]);
    expect(rate.total).to.equal(8);
  });

  it("is abuse after ten such seconds in a row", () => {
    const [rate, clock] = [new FrameRate(), new ManualClock()];
    for (let second = 0; second < 10; second++) {
      expect(frames(rate, clock, 3).at(-1), `second ${second}`).to.equal("over");
      clock.advance(1_000);
    }
    expect(frames(rate, clock, 3)).to.deep.equal(["within", "within", "abuse"]);
  });

  it("is none when one of them was within the limit, or silent", () => {
    for (const quiet of [2, 0]) {
      const [rate, clock] = [new FrameRate(), new ManualClock()];
      for (let second = 0; second < 20; second++) {
        expect(
          frames(rate, clock, second % 10 === 9 ? quiet : 3),
          `second ${second}, ${quiet}`,
        ).to.not.include("abuse");
        clock.advance(1_000);
      }
    }
  });

  it("is abuse however late the server itself is, and says when each such second is over", () => {
    const clock = new ManualClock();
    let ends = 0;
    const rate = new FrameRate(() => ends++);
    for (let second = 0; second < 10; second++) {
      expect(frames(rate, clock, 3).at(-1), `second ${second}`).to.equal("over");
      clock.stall(4_000); // frames and timers come when it is over, the frames first
      if (second % 2 === 0) expect(frames(rate, clock, 1)).to.deep.equal(["within"]);
      clock.advance(0);
    }
    expect(frames(rate, clock, 3).at(-1)).to.equal("abuse");
    expect(ends).to.equal(10);
    rate.close();
    clock.advance(1_000);
    expect(ends, "its timer is stopped").to.equal(10);
  });

  it("without a limit is counted, and no clock is looked at", () => {
    const rate = new FrameRate();
    const noClock = {
      monotonic: () => expect.fail("it was looked at"),
      after: () => expect.fail("a timer was set"),
    };
    for (let n = 0; n < 1_000; n++)
      expect(rate.count(noClock, Number.POSITIVE_INFINITY)).to.equal("within");
    expect(rate.total).to.equal(1_000);
  });
});
