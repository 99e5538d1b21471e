import { readFileSync } from "node:fs";
import { expect } from "chai";
import { AcceptLimits } from "../../../src/server/admission/accept-limits.js";
import { openFilesLimit } from "../../../src/server/admission/load-gauge.js";
import type { OverloadLimit } from "../../../src/server/admission/overload.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { requires } from "../../helpers/requirement.js";

const address = "192.0.2.1";

/** An admission whose number of connections is `state.connections`. */
function admission(
  limits: {
    acceptsPerSecond?: number;
    connections?: number;
    unauthenticatedConnectionsPerAddress?: number;
  },
  openFiles?: number,
) {
  const clock = new ManualClock();
  const state: { connections: number; overload?: OverloadLimit } = { connections: 0 };
  const gate = new AcceptLimits(
    {
      acceptsPerSecond: Number.POSITIVE_INFINITY,
      connections: "auto",
      unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY,
      ...limits,
    },
    {
      clock,
      openFiles,
      connections: {
        get size() {
          return state.connections;
        },
      },
      overload: {
        get limit() {
          return state.overload;
        },
      },
    },
  );
  return { clock, state, gate };
}

describe("Admission to the server as a whole", () => {
  it("ends when so many were accepted within a second, and begins again when it is over", () => {
    const { clock, gate } = admission({ acceptsPerSecond: 2 });
    for (const _ of [1, 2]) {
      expect(gate.refusal(address)).to.equal(null);
      gate.accepted(address);
    }
    clock.advance(999);
    expect(gate.refusal(address)).to.include({
      status: 503,
      retryAfter: 1,
      limit: "acceptsPerSecond",
    });
    clock.advance(1);
    expect(gate.refusal(address)).to.equal(null);
    gate.accepted(address);
    expect(gate.refusal(address), "one in this second").to.equal(null);
  });

  it("lets no address have more than a quarter of a second's, so that one that comes and goes keeps nobody else out", () => {
    const { clock, gate } = admission({
      acceptsPerSecond: 100,
      unauthenticatedConnectionsPerAddress: 20,
    });
    const flood = (from: string) => {
      let accepted = 0;
      for (; gate.refusal(from) === null; accepted++) gate.accepted(from);
      return accepted;
    };
    expect(
      [flood("2001:db8::1"), flood("2001:db8::2"), flood(address)],
      "one /64, and another address",
    ).to.deep.equal([25, 0, 25]);
    expect(gate.refusal(address)).to.include({
      status: 429,
      retryAfter: 1,
      limit: "acceptsPerSecond",
    });
    expect(flood("192.0.2.2") + flood("192.0.2.3"), "what is left").to.equal(50);
    expect(gate.refusal("192.0.2.4")).to.include({ status: 503 });
    clock.advance(1_000);
    expect(flood("192.0.2.9"), "a second later").to.equal(25);
    expect(flood(address), "whose last second is forgotten").to.equal(25);
  });

  it("lets an address have as many as may wait to authenticate, and any number where those have no limit", () => {
    for (const [unauthenticatedConnectionsPerAddress, accepted] of [
      [40, 40],
      [Number.POSITIVE_INFINITY, 100],
    ] as const) {
      const { gate } = admission({ acceptsPerSecond: 100, unauthenticatedConnectionsPerAddress });
      for (let n = 0; n < accepted; n++) {
        expect(gate.refusal(address)).to.equal(null);
        gate.accepted(address);
      }
      expect(gate.refusal(address)).to.include({ limit: "acceptsPerSecond" });
    }
  });

  it("ends at so many connections, and begins again when one has gone", () => {
    const { state, gate } = admission({ connections: 3 });
    state.connections = 2;
    expect(gate.refusal(address)).to.equal(null);
    state.connections = 3;
    expect(gate.refusal(address)).to.include({ status: 503, retryAfter: 5, limit: "connections" });
    state.connections = 2;
    expect(gate.refusal(address)).to.equal(null);
  });

  it("without a number of connections is up to four fifths of the files that may be open; with one, those don't count", () => {
    const { state, gate } = admission({}, 256);
    state.connections = 203;
    expect(gate.refusal(address)).to.equal(null);
    state.connections = 204;
    expect(gate.refusal(address)).to.include({ limit: "connections" });
    const configured = admission({ connections: 250 }, 256);
    configured.state.connections = 249;
    expect(configured.gate.refusal(address)).to.equal(null);
  });

  it("stops while the process is overloaded, and says by which limit", () => {
    const { state, gate } = admission({});
    state.overload = "heapPercent";
    expect(gate.refusal(address)).to.include({ status: 503, retryAfter: 5, limit: "heapPercent" });
    delete state.overload;
    expect(gate.refusal(address)).to.equal(null);
  });

  it("has no limit where none is given and none is known", () => {
    const { clock, state, gate } = admission({});
    state.connections = 1_000_000;
    for (let n = 0; n < 10_000; n++) gate.accepted(address);
    clock.advance(1);
    expect(gate.refusal(address)).to.equal(null);
  });
});

describe("The limit of open files", () => {
  it("is that of this process", function () {
    requires(this, "/proc", () => process.platform === "linux");
    const soft = Number(
      /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1],
    );
    expect(openFilesLimit()).to.equal(Number.isNaN(soft) ? undefined : soft);
  });
});
