import { expect } from "chai";
import type { TopicEvent } from "../../../src/push/bus.js";
import { LocalBus } from "../../../src/push/local-bus.js";
import { Topics } from "../../../src/push/topics.js";

const history = { size: 3, ttl: 1_000 };

/** A bus, its clock, and the offsets of what it has told. */
function open() {
  const time = { now: 0 };
  const bus = new LocalBus("e", () => time.now);
  const offsets: (number | undefined)[] = [];
  bus.subscribe({ event: ({ offset }: TopicEvent) => void offsets.push(offset), gap() {}, message() {} });
  return { time, bus, offsets };
}

describe("the bus of a node that is alone", () => {
  it("keeps a topic's place when all of its events are forgotten: nothing was missed since", () => {
    const { time, bus, offsets } = open();
    bus.publish("t", "1", history);
    time.now = 1_000;
    bus.sweep();
    expect(bus.read("t", history, { epoch: "e", offset: 1 })).to.deep.equal({ epoch: "e", offset: 1, recovered: true, missed: [] });
    expect(bus.read("t", history, { epoch: "e", offset: 0 })).to.include({ recovered: false });
    bus.publish("t", "2", history);
    expect(offsets).to.deep.equal([1, 2]);
  });

  it("forgets the longest silent of more than 65,536 topics without events, and never repeats an offset of theirs", () => {
    const { time, bus, offsets } = open();
    for (let n = 0; n < 5; n++) bus.publish("old", "x", history);
    for (let n = 0; n < 65_536; n++) bus.publish(`t${n}`, "x", history);
    bus.sweep();
    expect(bus.read("old", history, { epoch: "e", offset: 5 }), "as long as there are events").to.include({ recovered: true, offset: 5 });
    bus.publish("young", "x", history); // it is used after all others now, but for "old"
    for (let n = 0; n < 65_536; n++) bus.publish(`t${n}`, "x", history);
    bus.publish("young", "x", history);
    time.now = 1_000;
    bus.sweep();
    offsets.length = 0;
    bus.publish("old", "x", history);
    expect(offsets[0]).to.be.above(5);
    expect(bus.read("young", history, undefined)).to.include({ offset: 2 });
  });
});

describe("the topics of a node", () => {
  it("are left once, however often somebody leaves, and are there for who has come since", () => {
    const topics = new Topics((error) => expect.fail(String(error)));
    const topic = { route: "r", name: "t", history: undefined };
    const member = { deliver() {}, missed() {} };
    const leave = topics.join(topic, member);
    leave();
    expect(topics.size).to.equal(0);
    topics.join(topic, { ...member });
    leave();
    expect(topics.size).to.equal(1);
  });
});
