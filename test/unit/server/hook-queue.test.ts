import { setImmediate as turn } from "node:timers/promises";
import { expect } from "chai";
import { Deadlines } from "../../../src/rpc/dispatch/deadlines.js";
import { type HookDeadline, HookQueue } from "../../../src/server/lifecycle/hook-queue.js";
import { ManualClock } from "../../helpers/manual-clock.js";

/** A queue whose hooks note when they begin, and end when the test says so. */
class QueueUnderTest {
  readonly clock = new ManualClock();
  readonly begun: string[] = [];
  readonly failures: string[] = [];
  idle = 0;
  readonly #ends = new Map<string, { resolve(): void; reject(error: Error): void }>();
  readonly queue = new HookQueue(
    {
      deadlines: new Deadlines<HookDeadline>(this.clock, (deadline) => deadline.expired()),
      failed: (hook, error) => this.failures.push(`${hook}: ${(error as Error).message}`),
    },
    () => this.idle++,
  );

  addSlow(hook: string): void {
    this.queue.add(hook, () => {
      this.begun.push(hook);
      return new Promise<void>((resolve, reject) => this.#ends.set(hook, { resolve, reject }));
    });
  }

  async end(hook: string, error?: Error): Promise<void> {
    const ends = this.#ends.get(hook);
    if (error === undefined) ends?.resolve();
    else ends?.reject(error);
    await turn();
  }
}

describe("A queue of hooks", () => {
  it("calls synchronous hooks at once, each after the one whose event came before", () => {
    const { queue, begun } = new QueueUnderTest();
    queue.add("a", () => {
      begun.push("a begins");
      queue.add("b", () => begun.push("b"));
      begun.push("a ends");
    });
    expect(begun).to.deep.equal(["a begins", "a ends", "b"]);
  });

  it("begins an asynchronous hook when the one before it has settled, however it has", async () => {
    const test = new QueueUnderTest();
    for (const hook of ["a", "b", "c"]) test.addSlow(hook);
    expect(test.begun).to.deep.equal(["a"]);
    await test.end("a");
    expect(test.begun).to.deep.equal(["a", "b"]);
    await test.end("b", new Error("broken"));
    expect(test.begun).to.deep.equal(["a", "b", "c"]);
    expect(test.failures).to.deep.equal(["b: broken"]);
    expect(test.idle).to.equal(0);
    await test.end("c");
    expect(test.idle).to.equal(1);
    expect(test.clock.pending, "timers but the one of all deadlines").to.be.lessThan(2);
  });

  it("tells once of a hook that does not settle, and goes on without it after 10 s", async () => {
    const test = new QueueUnderTest();
    test.addSlow("a");
    test.addSlow("b");
    test.clock.advance(9_999);
    expect(test.begun).to.deep.equal(["a"]);
    test.clock.advance(1);
    expect(test.begun).to.deep.equal(["a", "b"]);
    await test.end("a", new Error("too late to be heard"));
    expect(test.failures).to.deep.equal(["a: the hook a has not settled within 10 s"]);
    await test.end("b");
    expect(test.idle).to.equal(1);
  });

  it("lets no hook wait for more than 10 s, even if none ever settles", () => {
    const test = new QueueUnderTest();
    for (let second = 0; second < 60; second++) {
      test.addSlow(`h${second}`);
      test.clock.advance(1_000);
      expect(test.queue.size).to.be.at.most(10);
    }
    test.clock.advance(10_000);
    expect(test.begun).to.deep.equal(Array.from({ length: 60 }, (_, second) => `h${second}`));
    expect(test.failures.length).to.be.greaterThan(50);
  });
});
