import { expect } from "chai";
import { EventJudge } from "./event-judge.js";
import { judgeExecutions } from "./execution-ledger.js";
import { inflict } from "./inflict.js";
import type { NodeFigures } from "./node-settings.js";
import { nothingLost } from "./rolling-restarts.js";
import { faultsSection, type Score } from "./scoreboard.js";
import { gone, judgeHeap } from "./soak.js";
import { percentile, Tally } from "./tally.js";

const settings = { clients: 1, times: 1, minutes: 1, races: 1 };

describe("The judges of the chaos suite", () => {
  it("find a write that was acknowledged and is lost, one that ran twice, and one that ran too late", () => {
    const lines = ["a.0", "a.1", "a.1", "a.2 late 101", "a.3 late 100", "a.9"];
    expect(judgeExecutions(lines, ["a.0", "a.1", "a.2", "a.4"])).to.deep.equal({
      lost: ["a.4"],
      twice: ["a.1"],
      late: ["a.2, by 101 ms,"],
    });
    expect(judgeExecutions(["a.0", "a.9"], ["a.0"])).to.deep.equal({
      lost: [],
      twice: [],
      late: [],
    }); // a.9: nobody was told
  });

  it("find an event that came twice, out of order, or is missing without a gap", () => {
    const faultsOf = (...events: readonly (number | "gap")[]) => {
      const judge = new EventJudge((n) => n !== 4); // whose publication was not acknowledged
      for (const event of events) event === "gap" ? judge.gap() : judge.event(event);
      return judge.faults;
    };
    expect(faultsOf(2, 3, 5, "gap", 8, 9)).to.deep.equal([]);
    // it may come late, as its publisher does not know of it
    expect(faultsOf(2, 3, 5, 4)).to.deep.equal([]);
    expect(faultsOf(2, 3, 3)).to.deep.equal(["event 3 came twice"]);
    expect(faultsOf(2, "gap", 5, 3)).to.deep.equal(["event 3 came after 5"]);
    expect(faultsOf(2, 6)).to.have.length(2); // 3 and 5
    expect(faultsOf(2, "gap", 3, 6)).to.deep.equal([
      "event 5 is missing before 6, and no gap was told",
    ]); // a gap is for what follows it
  });

  it("find a call that was lost or failed in a rolling restart", () => {
    const judged = (change: (tally: Tally) => void) => {
      const tally = new Tally();
      change(tally);
      nothingLost(tally);
      return tally.violations.length;
    };
    expect(judged(() => {})).to.equal(0);
    expect(judged((tally) => tally.unknown++)).to.equal(1);
    expect(judged((tally) => tally.failed("timeout"))).to.equal(1);
  });

  it("find what a node still holds, and a heap that grew", async () => {
    const empty: NodeFigures = {
      connections: 0,
      objects: { Session: 0 },
      resources: { Timeout: 2 },
      heapUsed: 1,
    };
    const judged = async (now: Partial<NodeFigures>) => {
      const tally = new Tally();
      await gone(async () => ({ ...empty, ...now }), empty, tally, 0);
      return tally.violations;
    };
    expect(await judged({})).to.deep.equal([]);
    expect(await judged({ objects: { Session: 1 } })).to.deep.equal(["left over: 1 Session"]);
    expect(await judged({ connections: 1, resources: { Timeout: 9 } })).to.deep.equal([
      "left over: 1 connections, 9 timers, 2 before",
    ]);
    const mebibyte = 1_048_576;
    const heapOf = (...heaps: readonly number[]) => {
      const tally = new Tally();
      judgeHeap(
        heaps.map((heap) => heap * mebibyte),
        tally,
      );
      return tally.violations.length;
    };
    expect(heapOf(20, 25, 30, 22, 40, 21)).to.equal(0);
    expect(heapOf(20, 25, 30, 35, 40, 45)).to.equal(1);
  });

  it("take what breaks off, and a family that was falsely revoked, for a violation, and write it down", async () => {
    const broken = await inflict(
      { name: "x", run: () => Promise.reject(new Error("no more")) },
      settings,
    );
    expect(broken.tally?.violations).to.deep.equal(["it broke off: no more"]);
    const revoked = await inflict(
      {
        name: "y",
        async run(_settings, tally) {
          tally.falselyRevoked++;
          return "done";
        },
      },
      settings,
    );
    expect(revoked.tally?.violations).to.have.length(1);
    const skipped: Score = await inflict(
      { name: "z", obstacle: () => "no disk", run: () => Promise.reject(new Error()) },
      settings,
    );
    const text = faultsSection([broken, revoked, skipped], "npm run chaos");
    expect(text).to.include("* x: it broke off: no more").and.to.include("not done: no disk");
    expect(faultsSection([skipped], "npm run chaos")).to.include(
      "Everything that must hold has held.",
    );
  });

  it("take percentiles", () => {
    const figures = Array.from({ length: 100 }, (_, n) => 100 - n);
    expect([50, 99, 100].map((rank) => percentile(figures, rank))).to.deep.equal([50, 99, 100]);
    expect(percentile([7], 99)).to.equal(7);
    expect(percentile([], 50)).to.equal(undefined);
  });
});
