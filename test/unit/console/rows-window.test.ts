import { expect } from "chai";
import { rowTop, rowWindow, spare } from "../../../console/view/rows/window.js";

const layout = { count: 1_000, rowHeight: 28, height: 280 };
const whole = 28_000; // pixels of all rows

describe("The rows of a long list that are drawn", () => {
  it("are those in sight and a few more; the others are room before and after", () => {
    for (const top of [0, 100, 14_000, whole - 280, whole]) {
      const { first, end, before, after } = rowWindow({ ...layout, top });
      expect(end - first).to.be.within(10, 11 + 2 * spare);
      expect(before).to.equal(first * 28);
      expect(before + (end - first) * 28 + after).to.equal(whole);
      const lowest = Math.min(top, whole - 280);
      expect(before).to.be.at.most(lowest);
      expect(whole - after).to.be.at.least(lowest + 280);
    }
    expect(rowWindow({ ...layout, count: 3, top: 0 })).to.deep.equal({
      ...{ first: 0, end: 3, before: 0, after: 0 },
    });
    expect(rowWindow({ ...layout, count: 0, top: 90 })).to.include({ first: 0, end: 0, after: 0 });
  });

  it("leave room for the row that is open, before, within and after the part in sight", () => {
    const open = { index: 500, extra: 300 };
    for (const top of [0, 500 * 28 - 100, 500 * 28 + 150, 600 * 28, whole + 300 - 280]) {
      const { first, end, before, after } = rowWindow({ ...layout, top, open });
      const isDrawn = first <= 500 && 500 < end;
      const drawn = (end - first) * 28 + (isDrawn ? 300 : 0);
      expect(before + drawn + after, `at ${top}`).to.equal(whole + 300);
      expect(before, `at ${top}`).to.be.at.most(top);
      expect(before + drawn, `at ${top}`).to.be.at.least(top + 280);
    }
    expect(rowTop(500, { ...layout, top: 0, open })).to.equal(14_000);
    expect(rowTop(501, { ...layout, top: 0, open })).to.equal(14_328);
  });
});
