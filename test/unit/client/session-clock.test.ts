import { expect } from "chai";
import { describe, it } from "mocha";
import { createSessionClock } from "../../../client/session/session-clock.js";
import { ManualClock } from "../../helpers/manual-clock.js";

function recorded() {
  const clock = new ManualClock();
  const told: string[] = [];
  const sessionClock = createSessionClock(
    clock,
    () => told.push("due"),
    () => told.push("woke"),
  );
  return { clock, told, sessionClock };
}

describe("The session clock", () => {
  it("tells once when a session is due, and not before", () => {
    const { clock, told, sessionClock } = recorded();
    sessionClock.start(70_000);
    clock.advance(69_999);
    expect(told).to.deep.equal([]);
    clock.advance(300_000);
    expect(told).to.deep.equal(["due"]);
    sessionClock.stop();
  });

  it("notices within 30 s that time passed unseen, by the wall clock alone", () => {
    const { clock, told, sessionClock } = recorded();
    sessionClock.start(600_000);
    clock.stepWall(300_000);
    clock.advance(30_000);
    clock.stepWall(300_000);
    clock.advance(30_000);
    expect(told).to.deep.equal(["woke", "woke", "due"]);
    sessionClock.stop();
  });

  it("looks at once when it is asked to, and has nothing to say when no time has passed", () => {
    const { clock, told, sessionClock } = recorded();
    sessionClock.start(600_000);
    sessionClock.check();
    expect(told).to.deep.equal([]);
    clock.stepWall(3_600_000);
    sessionClock.check();
    expect(told).to.deep.equal(["woke", "due"]);
    sessionClock.stop();
  });

  it("leaves no timer when it is stopped, even if it is asked to look then", () => {
    const { clock, told, sessionClock } = recorded();
    sessionClock.start(600_000);
    sessionClock.stop();
    sessionClock.check();
    clock.advance(3_600_000);
    expect(told).to.deep.equal([]);
    expect(clock.pending).to.equal(0);
  });
});
