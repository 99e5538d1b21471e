import { expect } from "chai";
import { describe, it } from "mocha";
import { createEventQueue, gap } from "../../../client/subscriptions/event-queue.js";
import { outcomeOf, settled } from "../../helpers/client/scripted-client.js";

const queue = (limit = 4, isMarked = true) => {
  const told: number[] = [];
  const made = createEventQueue(limit, isMarked, () => told.push(told.length));
  const read: unknown[] = [];
  let isReading = false;
  const readOn = async () => {
    for (let item = await made.next(); !item.done; item = await made.next()) read.push(item.value);
  };
  /**
   * What was read since the last time. From the first time on, a consumer waits for whatever comes.
   */
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

  it("marks a loss where it was, once as long as that mark isn't read", async () => {
    const { queue: events, told, drain } = queue(10);
    events.put(1);
    events.lose();
    events.lose();
    events.put(2);
    events.lose();
    expect(await drain()).to.deep.equal([1, gap, 2, gap]);
    expect(told).to.deep.equal([]);
  });

  it("marks the next loss too, once the mark of the last one is read: who has read the whole anew needs to again", async () => {
    const { queue: events, drain } = queue(10);
    expect(await drain()).to.deep.equal([]);
    events.lose();
    expect(await drain()).to.deep.equal([gap]);
    events.lose();
    expect(await drain()).to.deep.equal([gap]);
  });

  it("marks what is dropped while the consumer is busy with an earlier loss", async () => {
    const { queue: events } = queue(2);
    events.lose();
    expect((await events.next()).value).to.equal(gap);
    for (let event = 0; event < 3; event++) events.put(event);
    expect(
      (await Promise.all([events.next(), events.next(), events.next()])).map(({ value }) => value),
    ).to.deep.equal([gap, 1, 2]);
  });

  it("tells a loss elsewhere when it isn't marked, as the consumer comes to it, and each time", async () => {
    const { queue: events, told, drain } = queue(10, false);
    events.put(1);
    events.lose();
    events.lose();
    expect(told).to.have.length(0);
    expect(await drain()).to.deep.equal([1]);
    expect(told).to.have.length(1);
    events.lose();
    expect(told).to.have.length(2);
    events.put(2);
    expect(await drain()).to.deep.equal([2]);
    expect(told).to.have.length(2);
  });

  it("gives no event to who leaves when told of a loss", async () => {
    const events = createEventQueue(4, false, () => events.end(undefined, true));
    const next = events.next();
    events.lose();
    events.put(1);
    expect(await next).to.deep.equal({ done: true, value: undefined });
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

  it("tells an overflow elsewhere when it isn't marked, as the consumer comes to it", async () => {
    const { queue: events, told } = queue(2, false);
    for (let round = 1; round <= 2; round++) {
      for (let event = 0; event < 10; event++) events.put(event);
      expect(told).to.have.length(round - 1);
      expect([(await events.next()).value, (await events.next()).value]).to.deep.equal([8, 9]);
      expect(told).to.have.length(round);
    }
  });

  it("never has two marks that wait in a row, when what stood between them is dropped", async () => {
    const { queue: events, drain } = queue(2);
    for (let event = 0; event < 5; event++) {
      events.put(event);
      events.lose();
    }
    expect(await drain()).to.deep.equal([gap, 4, gap]);
  });

  it("costs no more by the event when it is full and large", async () => {
    const full = (size: number) => {
      const { queue: events } = queue(size);
      for (let event = 0; event <= size; event++) events.put(event);
      return events;
    };
    const rounds = 5_000;
    const time = (events: ReturnType<typeof full>) => {
      const start = performance.now();
      for (let event = 0; event < rounds; event++) events.put(event);
      return performance.now() - start;
    };
    const [small, large] = [full(100), full(200_000)];
    time(small); // once, so that both run compiled
    const ratio = () => time(large) / time(small);
    const ratios = [ratio(), ratio(), ratio()].sort((a, b) => a - b);
    expect(ratios[0]).to.be.below(50); // by the size it would be 2000 times as much
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
