import { setTimeout as pause } from "node:timers/promises";
import { expect } from "chai";
import { defaultLimits } from "../../../src/index.js";
import { type Delays, MachineGauge } from "../../../src/server/admission/load-gauge.js";
import { Overload } from "../../../src/server/admission/overload.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { ScriptedGauge } from "../../helpers/server/scripted-gauge.js";
import { recordingLogger } from "../../helpers/server/test-server.js";

function rig(limits: { loopDelay?: number; heapPercent?: number } = {}) {
  const clock = new ManualClock();
  const gauge = new ScriptedGauge();
  const { logger, lines } = recordingLogger();
  let sheds = 0;
  const shed = () => ++sheds;
  const overload = new Overload(
    { ...defaultLimits, ...limits },
    { clock, gauge, log: logger, connections: { shed } },
  );
  overload.start();
  return {
    clock,
    gauge,
    lines,
    overload,
    looks: (count: number) => clock.advance(count * 1_000),
    sheds: () => sheds,
  };
}

const good: Delays = { measured: 50, over: 0 };
const bad: Delays = { measured: 50, over: 1 };

describe("Overload by the event loop's delay", () => {
  it("begins when the 99th percentile of ten looks was over the limit in five looks in a row, and not one look before", () => {
    const { gauge, looks, overload } = rig();
    gauge.next = bad;
    looks(13); // ten to fill the window, four in a row
    expect(overload.limit).to.equal(undefined);
    looks(1);
    expect(overload.limit).to.equal("loopDelay");
    expect(overload.reason).to.include("limits.loopDelay");
    expect([overload.isOver("loopDelay"), overload.isOver("heapPercent")]).to.deep.equal([
      true,
      false,
    ]);
  });

  it("is not begun by one long pause in ten seconds, nor by one in a hundred delays", () => {
    const { gauge, looks, overload } = rig();
    for (let n = 0; n < 10; n++) {
      gauge.next = { measured: 10, over: 1 }; // a garbage collection took most of that second
      looks(1);
      gauge.next = good;
      looks(9);
    }
    expect(overload.limit).to.equal(undefined);
    gauge.next = { measured: 100, over: 1 };
    looks(100);
    expect(overload.limit).to.equal(undefined);
  });

  it("ends when the bad looks are more than ten seconds ago", () => {
    const { gauge, looks, overload } = rig();
    gauge.next = bad;
    looks(14);
    gauge.next = good;
    looks(4);
    expect(overload.limit, "6 of 500 are late").to.equal("loopDelay");
    looks(6);
    expect(overload.limit).to.equal(undefined);
  });

  it("counts no look that came too soon to say anything", () => {
    const { gauge, looks, overload } = rig();
    gauge.next = bad;
    looks(13);
    gauge.next = undefined;
    looks(100);
    expect(overload.limit).to.equal(undefined);
    gauge.next = bad;
    looks(1);
    expect(overload.limit).to.equal("loopDelay");
  });

  it("does not exist without a limit, while that of the heap still does", () => {
    const { gauge, looks, overload } = rig({ loopDelay: Number.POSITIVE_INFINITY });
    gauge.next = { measured: 50, over: 50 };
    looks(100);
    expect(overload.limit).to.equal(undefined);
    gauge.heap = 86;
    looks(5);
    expect(overload.limit).to.equal("heapPercent");
  });
});

describe("Overload by the heap", () => {
  it("begins over the limit in five looks in a row, ends with the first one below, and is logged once each", () => {
    const { gauge, lines, looks, overload } = rig();
    gauge.heap = 85;
    looks(100);
    expect(overload.limit).to.equal(undefined);
    gauge.heap = 86;
    looks(4);
    gauge.heap = 80;
    looks(1);
    gauge.heap = 86;
    looks(4);
    expect(overload.limit, "never five in a row").to.equal(undefined);
    looks(1);
    expect(overload.limit).to.equal("heapPercent");
    looks(10);
    gauge.heap = 84;
    looks(1);
    expect(overload.limit).to.equal(undefined);
    expect(overload.reason).to.equal(null);
    expect(lines.map(({ level, fields }) => [level, fields.event, fields.limit])).to.deep.equal([
      ["warn", "overload.begin", "heapPercent"],
      ["info", "overload.end", "heapPercent"],
    ]);
  });

  it("over 95 % sheds connections at every look, and below does not", () => {
    const { gauge, looks, sheds } = rig();
    gauge.heap = 95;
    looks(20);
    expect(sheds()).to.equal(0);
    gauge.heap = 96;
    looks(3);
    expect(sheds()).to.equal(3);
    gauge.heap = 90;
    looks(10);
    expect(sheds()).to.equal(3);
  });

  it("does not shed for a peak that is shorter than five looks, nor without a limit", () => {
    for (const [heapPercent, expected] of [
      [85, 1],
      [Number.POSITIVE_INFINITY, 0],
    ] as const) {
      const { gauge, looks, overload, sheds } = rig({ heapPercent });
      gauge.heap = 99;
      looks(4);
      expect(sheds()).to.equal(0);
      looks(1);
      expect(sheds()).to.equal(expected);
      expect(overload.limit).to.equal(expected === 1 ? "heapPercent" : undefined);
    }
  });

  it("looks at nothing after stop, and at nothing when both limits are 0", () => {
    const { clock, gauge, overload } = rig();
    expect([gauge.isRunning, clock.pending]).to.deep.equal([true, 1]);
    overload.stop();
    expect([gauge.isRunning, clock.pending]).to.deep.equal([false, 0]);
    const off = rig({ loopDelay: Number.POSITIVE_INFINITY, heapPercent: Number.POSITIVE_INFINITY });
    expect([off.gauge.isRunning, off.clock.pending]).to.deep.equal([false, 0]);
  });
});

describe("The gauge of the machine", () => {
  it("counts the delays that are over a limit while the loop is busy, since the last look only, and says nothing of half a second", async () => {
    const gauge = new MachineGauge();
    gauge.start();
    try {
      expect(gauge.delays(0)).to.equal(undefined);
      await spend(12, 50); // busy: delays are measured from now on
      expect(gauge.delays(0)).to.include({ over: 0 });
      expect(gauge.delays(0), "so soon").to.equal(undefined);
      await spend(8, 200);
      expect(gauge.delays(60)?.over).to.be.at.least(4);
      await spend(12, 50);
      const none = gauge.delays(60_000);
      expect(none?.measured).to.be.at.least(1);
      expect(none?.over).to.equal(0);
    } finally {
      gauge.stop();
    }
    expect(gauge.delays(0), "after stop").to.equal(undefined);
  });

  it("counts a delay in each look at a loop that hangs from one look to the next", async () => {
    const gauge = new MachineGauge();
    gauge.start();
    try {
      await spend(12, 50); // busy: delays are measured from now on
      gauge.delays(60);
      for (let looks = 0; looks < 3; looks++) {
        await spend(1, 600);
        expect(gauge.delays(200)).to.deep.equal({ measured: 1, over: 1 });
      }
      await spend(1, 600);
      expect(gauge.delays(600)).to.deep.equal({ measured: 1, over: 0 });
    } finally {
      gauge.stop();
    }
  });

  it("does not measure an idle loop, and counts its time as in order", async () => {
    const gauge = new MachineGauge();
    gauge.start();
    try {
      for (let idleLooks = 0; idleLooks < 2; ) {
        const before = performance.eventLoopUtilization();
        await pause(600);
        const delays = gauge.delays(-60); // anything that was measured would be over that
        const { utilization } = performance.eventLoopUtilization(before);
        // on a busy machine it may not be idle at once
        idleLooks = utilization < 0.08 ? idleLooks + 1 : 0;
        if (idleLooks === 2)
          expect([(delays?.measured ?? 0) >= 12, delays?.over]).to.deep.equal([true, 0]);
      }
    } finally {
      gauge.stop();
    }
  });

  it("knows how full the heap is", () => {
    expect(new MachineGauge().heapPercent()).to.be.above(0).and.below(100);
  });
});

/** Keeps the event loop for `length` milliseconds, so many times. */
async function spend(turns: number, length: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    const endsAt = performance.now() + length;
    while (performance.now() < endsAt);
    await pause(1);
  }
}
