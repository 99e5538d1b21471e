import { expect } from "chai";
import { Heartbeat, type Pulse } from "../../../src/server/lifecycle/heartbeat.js";
import { ManualClock } from "../../helpers/manual-clock.js";

class Peer implements Pulse {
  isAlive = true;
  pings = 0;
  checks = 0;
  terminatedAt: number | undefined;
  readonly #answers: boolean;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock, answers: boolean) {
    this.#clock = clock;
    this.#answers = answers;
  }

  ping(): boolean {
    if (!this.isAlive) return false;
    this.pings++;
    this.isAlive = this.#answers;
    return true;
  }

  terminate(): void {
    this.terminatedAt ??= this.#clock.monotonic();
  }

  check(): void {
    this.checks++;
  }
}

describe("the heartbeat", () => {
  it("pings each peer once per interval, and lets those who answer live", () => {
    const clock = new ManualClock();
    const heartbeat = new Heartbeat(clock, 25_000, 10_000);
    const peer = new Peer(clock, true);
    heartbeat.add(peer);
    clock.advance(250_000);
    expect(peer.pings).to.equal(10);
    expect(peer.checks, "looks at its clocks").to.equal(10);
    expect(peer.terminatedAt).to.equal(undefined);
    heartbeat.stop();
  });

  it("cuts a peer that is gone within the interval and the timeout", () => {
    const clock = new ManualClock();
    const heartbeat = new Heartbeat(clock, 25_000, 10_000);
    const start = clock.monotonic();
    const peer = new Peer(clock, false);
    heartbeat.add(peer);
    clock.advance(60_000);
    expect((peer.terminatedAt ?? Number.NaN) - start).to.be.within(10_000, 36_000);
    heartbeat.stop();
  });

  it("cuts a peer that is gone before the next ping, however long the timeout", () => {
    const clock = new ManualClock();
    const heartbeat = new Heartbeat(clock, 10_000, 60_000);
    const start = clock.monotonic();
    const peer = new Peer(clock, false);
    heartbeat.add(peer);
    clock.advance(60_000);
    expect((peer.terminatedAt ?? Number.NaN) - start).to.be.within(18_000, 20_000);
    heartbeat.stop();
  });

  it("needs one timer for any number of peers, and none for nobody", () => {
    const clock = new ManualClock();
    const heartbeat = new Heartbeat(clock, 25_000, 10_000);
    const peers = Array.from({ length: 100 }, () => new Peer(clock, true));
    for (const peer of peers) heartbeat.add(peer);
    expect(clock.pending).to.equal(1);
    for (const peer of peers) heartbeat.delete(peer);
    expect(clock.pending).to.equal(0);
  });

  it("with an interval of Infinity pings nobody", () => {
    const clock = new ManualClock();
    const heartbeat = new Heartbeat(clock, Number.POSITIVE_INFINITY, 10_000);
    heartbeat.add(new Peer(clock, false));
    expect(clock.pending).to.equal(0);
  });
});
