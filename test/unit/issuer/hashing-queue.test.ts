import { expect } from "chai";
import { type Applicant, HashingQueue } from "../../../src/issuer/accounts/hashing-queue.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { rejectionOf } from "../../helpers/rejection.js";

const office = "192.0.2.1";

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

  it("lets 32 of an account wait, wherever they come from, and refuses the next at once", async () => {
    const { queue } = openQueue();
    for (let n = 0; n < 34; n++)
      void queue(`${n}`, { account: "ada", prefix: `2001:db8:0:${n}::/64` });
    expect(await rejectionOf(queue("one too many", { account: "ada", prefix: office }))).to.include(
      { name: "BusyError", retryAfter: 2 },
    );
    void queue("another's", { account: "bob", prefix: office });
  });

  it("lets 32 of an address wait, and refuses the next at once; another address has room", async () => {
    const { queue } = openQueue();
    for (let n = 0; n < 34; n++) void queue(`${n}`, { account: `user-${n}`, prefix: office });
    expect(await rejectionOf(queue("one too many", { account: "ada", prefix: office }))).to.include(
      { name: "BusyError", retryAfter: 2 },
    );
    void queue("from elsewhere", { account: "ada", prefix: "192.0.2.2" });
  });

  it("gives places of an address that an account has more of to the others, one by one, until they have as many", async () => {
    const { queue } = openQueue();
    const refused: string[] = [];
    const enter = (name: string, account: string) =>
      void queue(name, { account, prefix: office }).catch(() => refused.push(name));
    for (let n = 0; n < 34; n++) enter(`ada ${n}`, "ada");
    for (let n = 0; n < 20; n++) enter(`bob ${n}`, "bob");
    enter("eve 0", "eve");
    enter("ada 34", "ada");
    await settle();
    const adas = Array.from({ length: 16 }, (_, n) => `ada ${33 - n}`);
    const bobs = Array.from({ length: 4 }, (_, n) => `bob ${16 + n}`);
    expect(refused).to.have.members([...adas, ...bobs, "bob 15", "ada 34"]);
  });

  it("lets the accounts of an address take turns: who has many waiting waits for the others", async () => {
    const { queue, started, finish } = openQueue();
    for (let n = 0; n < 10; n++) void queue(`ada ${n}`, { account: "ada", prefix: office });
    void queue("bob", { account: "bob", prefix: office });
    void queue("eve", { account: "eve", prefix: office });
    await finishAll(started, finish);
    expect(started.slice(2, 6)).to.deep.equal(["ada 2", "bob", "eve", "ada 3"]);
    expect(started).to.have.length(12);
  });

  it("lets addresses take turns, however many accounts each of them has", async () => {
    const { queue, started, finish } = openQueue();
    for (let n = 0; n < 34; n++)
      void queue(`office ${n}`, { account: `user-${n}`, prefix: office });
    for (let n = 0; n < 3; n++)
      void queue(`home ${n}`, { account: `user-${n}`, prefix: "192.0.2.2" });
    await finishAll(started, finish);
    expect(started.slice(2, 8)).to.deep.equal([
      "office 2",
      "home 0",
      "office 3",
      "home 1",
      "office 4",
      "home 2",
    ]);
    expect(started).to.have.length(37);
  });

  it("takes 128 to wait in all; then the address with the most gives up its newest for one with fewer, and only for such", async () => {
    const { queue, clock } = openQueue();
    const refused: string[] = [];
    const enter = (name: string, prefix: string) =>
      void queue(name, { account: name, prefix }).catch(() => refused.push(name));
    for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"])
      for (let n = 0; n < 33; n++) enter(`${address} ${n}`, address); // two of the first one run
    await settle();
    expect(refused).to.deep.equal(["192.0.2.2 32", "192.0.2.3 32", "192.0.2.4 32"]);
    enter("192.0.2.1 another", "192.0.2.1"); // it has 31 waiting: the 128th
    enter("newcomer", "192.0.2.9");
    await settle();
    expect(refused.slice(3)).to.deep.equal(["192.0.2.1 another"]);
    for (let n = 0; n < 32; n++) enter(`late ${n}`, "192.0.2.10");
    await settle();
    expect(refused.slice(4).filter((name) => name.startsWith("late"))).to.deep.equal(
      Array.from({ length: 7 }, (_, n) => `late ${25 + n}`),
    );
    expect(refused.slice(4)).to.not.include("newcomer");
    clock.advance(5_000);
    await settle();
    expect(refused).to.include("newcomer");
    expect(clock.pending).to.equal(0);
  });

  it("lets nobody wait longer than 5 s", async () => {
    const { queue, clock } = openQueue();
    void queue("a");
    void queue("b");
    const third = queue("c");
    clock.advance(4_999);
    const fourth = queue("d");
    clock.advance(1);
    expect((await rejectionOf(third)).name).to.equal("BusyError");
    clock.advance(4_999);
    expect((await rejectionOf(fourth)).name).to.equal("BusyError");
    expect(clock.pending).to.equal(0);
  });

  it("gives no place to those who have waited too long: it is free for the next", async () => {
    const { queue, clock, started, finish } = openQueue();
    const first = [queue("a"), queue("b")];
    const late = ["c", "d"].map((name) => rejectionOf(queue(name)));
    clock.advance(5_000);
    expect((await Promise.all(late)).map(({ name }) => name)).to.deep.equal([
      "BusyError",
      "BusyError",
    ]);
    for (const name of ["a", "b"]) finish(name);
    await Promise.all(first);
    void queue("e");
    void queue("f");
    await settle();
    expect(started).to.deep.equal(["a", "b", "e", "f"]);
  });

  it("gives the place of a failed job to the next", async () => {
    const queue = new HashingQueue(1, new ManualClock());
    const ada = { account: "ada", prefix: office };
    const failed = queue.run(ada, async () => {
      throw new Error("broken");
    });
    const next = queue.run(ada, async () => "next");
    expect((await rejectionOf(failed)).message).to.equal("broken");
    expect(await next).to.equal("next");
    expect(await queue.run(ada, async () => "free again")).to.equal("free again");
  });
});

function openQueue() {
  const clock = new ManualClock();
  const hashing = new HashingQueue(2, clock);
  const started: string[] = [];
  const running = new Map<string, () => void>();
  const queue = (
    name: string,
    applicant: Applicant = { account: name, prefix: office },
  ): Promise<string> =>
    hashing.run(applicant, () => {
      started.push(name);
      return new Promise((resolve) => running.set(name, () => resolve(name)));
    });
  return { clock, queue, started, finish: (name: string) => running.get(name)?.() };
}

/** One after the other, in the order in which they began. */
async function finishAll(
  started: readonly string[],
  finish: (name: string) => void,
): Promise<void> {
  await settle();
  for (let n = 0; n < started.length; n++) {
    finish(started[n] ?? "");
    await settle();
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
