import { expect } from "chai";
import { FairQueue } from "../../../src/runtime/fair-queue.js";

/** Work that the test ends. */
function desk(places: number) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const queue = new FairQueue<string>(places, (item) => {
    begun.push(item);
    return new Promise<void>((resolve) => ends.set(item, resolve));
  });
  const add = (user: string, ...items: string[]) => {
    for (const item of items) queue.add(user, item);
    queue.proceed();
  };
  const end = async (item: string) => {
    ends.get(item)?.();
    await new Promise(setImmediate);
  };
  return { queue, begun, add, end };
}

describe("A fair queue", () => {
  it("begins what there is room for, in order, and the rest as places are freed", async () => {
    const { begun, add, end } = desk(8);
    add("ada", "a1", "a2", "a3");
    expect(begun, "a quarter of the places for one user").to.deep.equal(["a1", "a2"]);
    await end("a2");
    expect(begun).to.deep.equal(["a1", "a2", "a3"]);
  });

  it("takes users in turn, so that one who asks much does not come before all others", async () => {
    const { begun, add, end } = desk(4);
    add("ada", "a1", "a2", "a3");
    for (const user of ["bob", "eve", "kim", "lee"]) add(user, `${user}1`, `${user}2`);
    expect(begun).to.deep.equal(["a1", "bob1", "eve1", "kim1"]);
    for (const item of ["a1", "bob1", "eve1", "kim1"]) await end(item);
    expect(begun.slice(4)).to.have.members(["lee1", "a2", "bob2", "eve2"]);
  });

  it("begins nothing that was deleted, and gives its turn to the next", async () => {
    const { begun, add, end, queue } = desk(4);
    add("ada", "a1", "a2", "a3");
    queue.delete("ada", "a2");
    queue.delete("nobody", "a3");
    await end("a1");
    expect(begun).to.deep.equal(["a1", "a3"]);
  });

  it("begins at most 64 in one turn of the event loop, and goes on in the next", async () => {
    let begun = 0;
    const queue = new FairQueue<number>(1_000, () => ++begun);
    for (let n = 0; n < 100; n++) queue.add(`user ${n}`, n);
    queue.proceed();
    expect(begun).to.equal(64);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(begun).to.equal(100);
  });

  it("frees the place of work that fails, at once or later", async () => {
    const queue = new FairQueue<string>(4, () => Promise.reject(new Error("later")));
    expect(() =>
      queue.run("ada", () => {
        throw new Error("at once");
      }),
    ).to.throw("at once");
    expect(queue.isFree("ada")).to.equal(true);
    queue.add("ada", "a1");
    queue.proceed();
    expect(queue.isFree("ada")).to.equal(false);
    await new Promise(setImmediate);
    expect(queue.isFree("ada")).to.equal(true);
  });
});
