import { expect } from "chai";
import { HashingQueue } from "../../../src/issuer/hashing-queue.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { rejectionOf } from "../../helpers/rejection.js";

describe("the queue before the hash", () => {
  it("runs two at once, the others in order", async () => {
    const { queue, started, finish } = openQueue();
    const jobs = ["a", "b", "c", "d"].map((name) => queue(name));
    await settle();
    expect(started).to.deep.equal(["a", "b"]);
    finish("b");
    await settle();
    expect(started).to.deep.equal(["a", "b", "c"]);
    for (const name of ["a", "c", "d"]) {
      await settle();
      finish(name);
    }
    expect(await Promise.all(jobs)).to.deep.equal(["a", "b", "c", "d"]);
  });

  it("takes 32 to wait, and refuses the next at once", async () => {
    const { queue } = openQueue();
    const waiting = Array.from({ length: 34 }, (_, n) => queue(`${n}`).catch(() => "busy"));
    const error = await rejectionOf(queue("one too many"));
    expect(error).to.include({ name: "BusyError", retryAfter: 2 });
    expect(waiting).to.have.length(34);
  });

  it("lets nobody wait longer than 2 s", async () => {
    const { queue, clock } = openQueue();
    void queue("a");
    void queue("b");
    const third = queue("c");
    clock.advance(1_999);
    const fourth = queue("d");
    clock.advance(1);
    expect((await rejectionOf(third)).name).to.equal("BusyError");
    clock.advance(1_999);
    expect((await rejectionOf(fourth)).name).to.equal("BusyError");
    expect(clock.pending).to.equal(0);
  });

  it("gives no place to those who have waited too long: it is free for the next", async () => {
    const { queue, clock, started, finish } = openQueue();
    const first = [queue("a"), queue("b")];
    const late = ["c", "d"].map((name) => rejectionOf(queue(name)));
    clock.advance(2_000);
    expect((await Promise.all(late)).map(({ name }) => name)).to.deep.equal(["BusyError", "BusyError"]);
    for (const name of ["a", "b"]) finish(name);
    await Promise.all(first);
    void queue("e");
    void queue("f");
    await settle();
    expect(started).to.deep.equal(["a", "b", "e", "f"]);
  });

  it("gives the place of a failed job to the next", async () => {
    const queue = new HashingQueue(1, new ManualClock());
    const failed = queue.run(async () => {
      throw new Error("broken");
    });
    const next = queue.run(async () => "next");
    expect((await rejectionOf(failed)).message).to.equal("broken");
    expect(await next).to.equal("next");
    expect(await queue.run(async () => "free again")).to.equal("free again");
  });
});

function openQueue() {
  const clock = new ManualClock();
  const hashing = new HashingQueue(2, clock);
  const started: string[] = [];
  const running = new Map<string, () => void>();
  const queue = (name: string): Promise<string> =>
    hashing.run(() => {
      started.push(name);
      return new Promise((resolve) => running.set(name, () => resolve(name)));
    });
  return { clock, queue, started, finish: (name: string) => running.get(name)?.() };
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
