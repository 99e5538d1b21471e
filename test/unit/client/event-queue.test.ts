import { expect } from "chai";
import { describe, it } from "mocha";
import { createEventQueue, gap } from "../../../client/event-queue.js";
import { outcomeOf, settled } from "../../helpers/scripted-client.js";

const queue = (limit = 4, isMarked = true) => {
  const told: number[] = [];
  const made = createEventQueue(limit, isMarked, () => told.push(told.length));
  const read: unknown[] = [];
  let isReading = false;
  const readOn = async () => {
    for (let item = await made.next(); !item.done; item = await made.next()) read.push(item.value);
  };
  /** What was read since the last time. From the first time on, a consumer waits for whatever comes. */
  const drain = async (): Promise<unknown[]> => {
    if (!isReading) void readOn();
    isReading = true;
    await settled();
    return read.splice(0);
  };
  return { queue: made, told, drain };
};

describe("The queue of a subscription", () => {
  it("gives what came before it was asked, and what comes after, in order", async () => {
    const { queue: events } = queue();
    events.put(1);
    events.put(2);
    const results = [events.next(), events.next(), events.next(), events.next()];
    events.put(3);
    events.put(null);
    expect((await Promise.all(results)).map(({ value }) => value)).to.deep.equal([1, 2, 3, null]);
  });

  it("marks a loss where it was, once however often it is told, and again after an event", async () => {
    const { queue: events, told, drain } = queue(10);
    events.put(1);
    events.lose();
    events.lose();
    events.put(2);
    events.lose();
    expect(await drain()).to.deep.equal([1, gap, 2, gap]);
    events.lose();
    expect(await drain()).to.deep.equal([]);
    expect(told).to.deep.equal([]);
  });

  it("tells a loss elsewhere when it isn't marked, once until the next event", async () => {
    const { queue: events, told, drain } = queue(10, false);
    events.lose();
    events.lose();
    expect(told).to.have.length(1);
    events.put(1);
    events.lose();
    expect(told).to.have.length(2);
    expect(await drain()).to.deep.equal([1]);
  });

  for (const limit of [1, 2, 4]) {
    it(`drops the oldest over ${limit}, and marks that once, in their place`, async () => {
      const { queue: events, drain } = queue(limit);
      for (let event = 0; event < 10; event++) events.put(event);
      const kept = Array.from({ length: limit }, (_, index) => 10 - limit + index);
      expect(await drain()).to.deep.equal([gap, ...kept]);
      events.put(10);
      expect(await drain()).to.deep.equal([10]);
    });
  }

  it("tells an overflow elsewhere when it isn't marked, once until the consumer has read", async () => {
    const { queue: events, told } = queue(2, false);
    for (let event = 0; event < 10; event++) events.put(event);
    expect(told).to.have.length(1);
    expect((await events.next()).value).to.equal(8);
    for (let event = 0; event < 10; event++) events.put(event);
    expect(told).to.have.length(2);
  });

  it("never has two marks in a row, when what stood between them is dropped", async () => {
    const { queue: events, drain } = queue(2);
    events.lose();
    expect(await drain()).to.deep.equal([gap]);
    const other = queue(2);
    for (let event = 0; event < 5; event++) {
      events.put(event);
      events.lose();
      other.queue.put(event);
      other.queue.lose();
    }
    expect(await other.drain()).to.deep.equal([gap, 4, gap]);
    const items = await drain();
    expect(items.filter((item, index) => item === gap && items[index - 1] === gap)).to.deep.equal([]);
    expect(items.slice(-2)).to.deep.equal([4, gap]);
  });

  it("ends after what waits, and stays ended", async () => {
    const { queue: events } = queue();
    events.put(1);
    events.end();
    events.put(2);
    events.lose();
    expect(await events.next()).to.deep.equal({ done: false, value: 1 });
    expect(await events.next()).to.deep.equal({ done: true, value: undefined });
    expect(await events.next()).to.deep.equal({ done: true, value: undefined });
  });

  it("throws its error once, after what waits, and is done then", async () => {
    const { queue: events } = queue();
    events.put(1);
    events.end(new Error("over"));
    expect((await events.next()).value).to.equal(1);
    const failed = outcomeOf(events.next());
    await settled();
    expect(failed.error).to.have.property("message", "over");
    expect((await events.next()).done).to.equal(true);
  });

  it("settles everybody who waits at its end: the first with the error, the others as done", async () => {
    const { queue: events } = queue();
    const [first, second] = [outcomeOf(events.next()), outcomeOf(events.next())];
    events.end(new Error("over"));
    await settled();
    expect(first.error).to.have.property("message", "over");
    expect(second.value).to.deep.equal({ done: true, value: undefined });
    expect([first.count, second.count]).to.deep.equal([1, 1]);
  });

  it("delivers nothing more when it ends now, also after it had ended", async () => {
    const { queue: events, drain } = queue(2);
    for (let event = 0; event < 5; event++) events.put(event);
    events.end(new Error("over"));
    events.end(undefined, true);
    expect((await events.next()).done).to.equal(true);
    expect(await drain()).to.deep.equal([]);
  });
});
