import { expect } from "chai";
import type { Limits } from "../../src/index.js";
import { ManualClock } from "../helpers/manual-clock.js";
import type { ModelToken } from "../helpers/models/session-reference.js";
import { ConnectionHarness } from "../helpers/server/connection-harness.js";
import type { Message } from "../helpers/server/raw-client.js";

/**
 * A connection whose session has a token for 10 s, and what becomes of it within one turn of the
 * event loop.
 */
async function startSession(limits: Partial<Limits> = {}): Promise<ConnectionHarness> {
  const rig = new ConnectionHarness(new ManualClock(), limits);
  issue(rig, "first", 10);
  rig.send({ id: "authenticate", method: "authenticate", params: ["first"] });
  rig.finishVerification();
  await rig.settle();
  rig.received();
  return rig;
}

function issue(rig: ConnectionHarness, name: string, expiresIn: number): void {
  const now = Math.floor(rig.clock.now() / 1000);
  const token: ModelToken = {
    name,
    subject: "ada",
    issuedAt: now,
    expiresAt: now + expiresIn,
    mayWrite: false,
    kind: "genuine",
  };
  rig.issue(token);
}

describe("Within one turn of the event loop", () => {
  it("the clock is looked at before each element of a batch: a handler that takes until the expiry is the last to run", async () => {
    const rig = await startSession();
    const request = (id: number, method: string) => ({
      jsonrpc: "2.0",
      id,
      method,
      params: { number: 5_000 },
    });
    rig.sendText(
      JSON.stringify([request(1, "age"), request(2, "age"), request(3, "age"), request(4, "read")]),
    );
    await rig.settle();

    expect(rig.runs).to.have.lengthOf(2);
    const answers = rig.received().flat() as Message[];
    expect(
      answers.filter(({ id }) => id !== undefined).map(({ id, error }) => [id, error?.code]),
    ).to.deep.equal([
      [1, undefined],
      [2, undefined],
      [3, -32002],
      [4, -32002],
    ]);
    rig.dispose();
  });

  it("a push that meets a refresh on its way comes after those that were held before it", async () => {
    for (let microtasks = 0; microtasks < 10; microtasks++) {
      const rig = await startSession();
      rig.clock.advance(10_000);
      for (const number of [1, 2]) rig.push(number);
      issue(rig, "second", 10);
      rig.send({ id: "refresh", method: "refresh", params: ["second"] });
      rig.finishVerification();
      for (let count = 0; count < microtasks; count++) await undefined;
      rig.push(3);
      await rig.settle();

      const pushed = rig.received().filter(({ method }) => method === "numbered");
      expect(
        pushed.map(({ params }) => params),
        `${microtasks} microtasks later`,
      ).to.deep.equal([{ number: 1 }, { number: 2 }, { number: 3 }]);
      rig.dispose();
    }
  });

  for (const [how, pass] of [
    ["a timer has told of it", (rig: ConnectionHarness) => rig.clock.advance(10_000)],
    [
      "the wall clock was set, of which no timer hears",
      (rig: ConnectionHarness) => rig.clock.stepWall(10_000),
    ],
  ] as const) {
    it(`a push that is not written yet at the expiry is held until a refresh, when ${how}`, async () => {
      const rig = await startSession();
      rig.push(1);
      pass(rig);
      await rig.settle();
      expect(rig.received().map(({ method }) => method))
        .to.include("auth.expired")
        .and.not.include("numbered");
      issue(rig, "second", 10);
      rig.send({ id: "refresh", method: "refresh", params: ["second"] });
      rig.finishVerification();
      await rig.settle();
      expect(rig.received().map(({ id, method }) => id ?? method)).to.deep.equal([
        "refresh",
        "numbered",
      ]);
      rig.dispose();
    });
  }

  it("auth calls that wait are forgotten when the peer is gone, and verified when it is not", async () => {
    for (const isGone of [true, false]) {
      const rig = await startSession();
      for (const name of ["second", "third"]) {
        issue(rig, name, 20);
        rig.send({ id: name, method: "authenticate", params: [name] });
      }
      if (isGone) rig.peerCloses();
      rig.finishVerification();
      await rig.settle();
      expect(rig.verifying, isGone ? "gone" : "there").to.equal(isGone ? 0 : 1);
      rig.dispose();
    }
  });

  it("a token that is found good after the connection was told to close puts nobody in", async () => {
    for (const isClosed of [true, false]) {
      const rig = new ConnectionHarness(new ManualClock());
      issue(rig, "first", 100);
      rig.send({ id: "authenticate", method: "authenticate", params: ["first"] });
      if (isClosed) rig.connection.close("kicked");
      rig.finishVerification();
      for (let microtasks = 0; microtasks < 10; microtasks++) await undefined;
      expect(rig.connection.auth?.subject).to.equal(isClosed ? undefined : "ada");
      await rig.settle();
      rig.dispose();
    }
  });

  it("the soft limit of the send buffer counts what this turn has still to write, too", async () => {
    const rig = await startSession({ sendBufferBytes: 1_000 });
    rig.leaveUnread(990);
    expect(rig.connection.isHigh()).to.equal(false);
    rig.push(1); // more than ten bytes
    expect(rig.connection.isHigh()).to.equal(true);
    rig.leaveUnread(0);
    await rig.settle();
    expect(rig.connection.isHigh()).to.equal(false);
    rig.dispose();
  });

  it("a peer that leaves more unread than the hard limit is closed, and one at the limit is not", async () => {
    const rig = await startSession({ sendBufferHardBytes: 1_000 });
    for (const [bytes, isClosed] of [
      [1_000, false],
      [1_001, true],
    ] as const) {
      rig.leaveUnread(bytes);
      rig.push(1);
      await rig.settle();
      expect(rig.isClosed, `${bytes} bytes`).to.equal(isClosed);
    }
    const told = rig.received().at(-1);
    expect(told).to.have.nested.property("params.reason", "overloaded");
    rig.dispose();
  });

  it("a connection that fails even to say why it closes is cut", async () => {
    const rig = await startSession();
    rig.breakSending();
    rig.connection.close("kicked");
    await rig.settle();
    expect(rig.isClosed).to.equal(true);
    rig.dispose();
  });

  it("auth calls that come together are verified one at a time, in order", async () => {
    const rig = await startSession();
    for (const [index, name] of ["second", "third", "fourth"].entries()) {
      issue(rig, name, 20 + index);
      rig.send({ id: name, method: "refresh", params: [name] });
    }
    rig.clock.advance(10_000); // what waits is now behind auth calls of an expired session
    issue(rig, "fifth", 30);
    rig.send({ id: "fifth", method: "refresh", params: ["fifth"] });
    for (let count = 0; count < 4; count++) {
      expect(rig.verifying).to.equal(1);
      rig.finishVerification();
      await rig.settle();
    }
    expect(rig.maxVerifying).to.equal(1);
    expect(
      rig
        .received()
        .map(({ id }) => id)
        .filter((id) => id !== undefined),
    ).to.deep.equal(["second", "third", "fourth", "fifth"]);
    rig.dispose();
  });

  it("a connection gets 64 frames, and then lets others be served", async () => {
    const rig = await startSession();
    for (let id = 0; id < 63; id++) rig.send({ id, method: "ping" });
    expect(rig.isPaused).to.equal(false);
    rig.send({ id: 63, method: "ping" });
    expect(rig.isPaused).to.equal(true);
    await rig.settle();
    expect(rig.isPaused).to.equal(false);
    expect(rig.received()).to.have.lengthOf(64);
    rig.dispose();
  });
});
