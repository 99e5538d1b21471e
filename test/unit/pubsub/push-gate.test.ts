import { expect } from "chai";
import { FlushQueue, Outbox } from "../../../src/pubsub/outbox.js";
import { Push } from "../../../src/pubsub/push.js";
import { PushGate } from "../../../src/pubsub/push-gate.js";

const event = (subscription: string, text = `event of ${subscription}`) =>
  new Push(text, subscription);
const end = (subscription: string) => new Push(`end of ${subscription}`, subscription, true);

/** The pushes of one connection. */
function open() {
  const sent: string[] = [];
  const write = (items: readonly (string | Push)[]) =>
    void sent.push(...items.map((item) => (typeof item === "string" ? item : item.text)));
  const outbox = new Outbox({ review() {}, write, overflowed() {} }, new FlushQueue());
  const counts = { sent: 0, held: 0, dropped: 0, overflowed: 0 };
  const pushes = new PushGate(outbox, counts);
  /** What is written, at the end of a turn. */
  const written = () => {
    outbox.flush();
    return sent.splice(0);
  };
  const released = () => pushes.release().pushes.map(({ text }) => text);
  return { pushes, outbox, counts, written, released };
}

describe("the pushes of an expired session", () => {
  it("are behind those that were held when a refresh has made it live, and at once when none are", () => {
    const { pushes, written, released } = open();
    pushes.add(event("a"), "expired");
    pushes.add(event("b"), "active"); // before the release
    expect(written()).to.deep.equal([]);
    expect(released()).to.deep.equal(["event of a", "event of b"]);
    pushes.add(event("c"), "active");
    expect(written()).to.deep.equal(["event of c"]);
  });

  it("the end of a subscription is told at once, but behind the events of its own that are held", () => {
    const { pushes, written, released } = open();
    pushes.add(event("a"), "expired");
    pushes.addEnd(end("a"), "expired");
    pushes.addEnd(end("b"), "expired");
    expect(written()).to.deep.equal(["end of b"]);
    expect(released()).to.deep.equal(["event of a", "end of a"]);
  });

  it("events that nobody may see any more are taken back, written or held, and the end is not", () => {
    const { pushes, written, released } = open();
    for (const subscription of ["a", "b"]) pushes.add(event(subscription), "active");
    pushes.forget("a");
    expect(written()).to.deep.equal(["event of b"]);
    for (const subscription of ["a", "b"]) pushes.add(event(subscription), "expired");
    pushes.addEnd(end("a"), "expired");
    pushes.forget("a");
    expect(released()).to.deep.equal(["event of b", "end of a"]);
  });

  it("what was taken back takes no room: 256 KiB more may be held", () => {
    const { pushes, counts, released } = open();
    pushes.add(event("a", "x".repeat(262_144)), "expired");
    pushes.forget("a");
    pushes.add(event("b", "y".repeat(262_144)), "expired");
    expect(counts.overflowed).to.equal(0);
    pushes.add(event("b", "z"), "expired");
    expect(counts.overflowed).to.equal(2);
    expect(released()).to.deep.equal([]);
  });

  it("too many are dropped, but no end of a subscription, nor one that comes after it; all that lost some are named", () => {
    const { pushes, counts } = open();
    pushes.add(event("a"), "expired");
    pushes.addEnd(end("a"), "expired");
    for (let n = 0; n < 255; n++) pushes.add(event("b"), "expired");
    expect(counts.overflowed).to.equal(256);
    pushes.add(event("c"), "expired");
    const behind = event("d");
    pushes.add(behind, "expired");
    const { pushes: kept, gap, lossy } = pushes.release();
    expect([kept.map(({ text }) => text), gap, [...lossy]]).to.deep.equal([
      ["end of a"],
      true,
      ["a", "b", "c", "d"],
    ]);
    expect(pushes.release().gap, "told once").to.equal(false);
  });

  it("nothing of them is left for the next user, but that a subscription has ended", () => {
    const { pushes, counts, written, released } = open();
    pushes.add(event("a"), "active");
    pushes.hold(); // it has expired
    pushes.add(event("b"), "expired");
    pushes.addEnd(end("a"), "expired");
    pushes.drop();
    expect(written()).to.deep.equal(["end of a"]);
    expect(released()).to.deep.equal([]);
    pushes.add(event("c"), "open");
    expect(written()).to.deep.equal([]);
    expect(counts.dropped).to.equal(4);
  });
});
