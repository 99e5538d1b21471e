import { expect } from "chai";

interface Row {
  readonly id: string;
  readonly target?: number;
  readonly value?: { readonly median: number };
}
type WorseThan = (
  before: Readonly<Record<string, { readonly median: number }>>,
  rows: readonly Row[],
) => readonly Row[];

const { worseThan } = (await import(
  new URL("../../bench/lib/guard.mjs", import.meta.url).href
)) as { worseThan: WorseThan };

const before = { calls: { median: 0.66 }, restartMissing: { median: 0 }, flood: { median: 0.02 } };
const worse = (rows: readonly Row[]) => worseThan(before, rows).map(({ id }) => id);

describe("the guard of the benchmark", () => {
  it("fails for a figure that is more than 25 % worse than the committed one, and for no other", () => {
    expect(worse([{ id: "calls", target: 0.8, value: { median: 0.83 } }])).to.deep.equal(["calls"]);
    expect(worse([{ id: "calls", target: 0.8, value: { median: 0.82 } }])).to.deep.equal([]);
  });

  it("fails for one lost client where there was none", () => {
    expect(worse([{ id: "restartMissing", target: 0, value: { median: 1 } }])).to.deep.equal([
      "restartMissing",
    ]);
    expect(worse([{ id: "restartMissing", target: 0, value: { median: 0 } }])).to.deep.equal([]);
  });

  it("lets noise pass where the figure is far better than its target, until it is not", () => {
    expect(worse([{ id: "flood", target: 0.3, value: { median: 0.1 } }])).to.deep.equal([]);
    expect(worse([{ id: "flood", target: 0.3, value: { median: 0.16 } }])).to.deep.equal(["flood"]);
  });

  it("does not judge what is new, what has no target, and what was not measured", () => {
    const rows = [
      { id: "new", target: 1, value: { median: 9 } },
      { id: "calls", value: { median: 9 } },
      { id: "calls", target: 0.8 },
    ];
    expect(worse(rows)).to.deep.equal([]);
  });
});
