import { expect } from "chai";
import { ConnectionRig } from "../helpers/connection-rig.js";
import { ManualClock } from "../helpers/manual-clock.js";
import type { Message } from "../helpers/raw-client.js";
import type { ModelToken } from "../helpers/session-reference.js";

/** A connection whose session has a token for 10 s, and what becomes of it within one turn of the event loop. */
async function startSession(): Promise<ConnectionRig> {
  const rig = new ConnectionRig(new ManualClock());
  issue(rig, "first", 10);
  rig.send({ id: "authenticate", method: "authenticate", params: ["first"] });
  rig.finishVerification();
  await rig.settle();
  rig.received();
  return rig;
}

function issue(rig: ConnectionRig, name: string, expiresIn: number): void {
  const now = Math.floor(rig.clock.now() / 1000);
  const token: ModelToken = { name, subject: "ada", issuedAt: now, expiresAt: now + expiresIn, mayWrite: false, kind: "genuine" };
  rig.issue(token);
}

describe("Within one turn of the event loop", () => {
  it("the clock is looked at before each element of a batch: a handler that takes until the expiry is the last to run", async () => {
    const rig = await startSession();
    const request = (id: number, method: string) => ({ jsonrpc: "2.0", id, method, params: { number: 5_000 } });
    rig.sendText(JSON.stringify([request(1, "age"), request(2, "age"), request(3, "age"), request(4, "read")]));
    await rig.settle();

    expect(rig.runs).to.have.lengthOf(2);
    const answers = rig.received().flat() as Message[];
    expect(answers.filter(({ id }) => id !== undefined).map(({ id, error }) => [id, error?.code])).to.deep.equal([
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
    expect(rig.mostVerifying).to.equal(1);
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
