import { expect } from "chai";
import type { TopicEvent } from "../../../src/pubsub/bus.js";
import { LocalBus } from "../../../src/pubsub/local-bus.js";
import { Topics } from "../../../src/pubsub/topics.js";

const history = { size: 3, ttl: 1_000 };

/** A bus, its clock, and the events that it has told. */
function open() {
  const time = { now: 0 };
  const bus = new LocalBus("e", () => time.now);
  const events: TopicEvent[] = [];
  bus.subscribe({ event: (event) => void events.push(event), gap() {}, message() {} });
  const since = (topic: string, offset: number, { epoch } = bus.read(topic, history, undefined)) =>
    bus.read(topic, history, { epoch, offset });
  return { time, bus, events, since };
}

/**
 * Publishes to so many topics, and forgets all of their events: more than are remembered make the
 * bus forget the longest silent.
 */
function crowd(
  { time, bus }: Pick<ReturnType<typeof open>, "time" | "bus">,
  topics: number,
  name = "t",
): void {
  for (let n = 0; n < topics; n++) bus.publish(`${name}${n}`, "x", history);
  time.now += history.ttl;
}

describe("the bus of a node that is alone", () => {
  it("keeps a topic's place when all of its events are forgotten: nothing was missed since", () => {
    const { time, bus, events, since } = open();
    bus.publish("t", "1", history);
    const { epoch } = bus.read("t", history, undefined);
    time.now = 1_000;
    bus.sweep();
    expect(since("t", 1)).to.deep.equal({ epoch, offset: 1, recovered: true, missed: [] });
    expect(since("t", 0)).to.include({ recovered: false });
    bus.publish("t", "2", history);
    expect(events).to.deep.equal(
      [1, 2].map((offset) => ({ topic: "t", data: String(offset), offset, epoch })),
    );
  });

  it("forgets the longest silent of more than 65,536 topics without events, and never gives a place of theirs again", () => {
    const { time, bus, events, since } = open();
    for (let n = 0; n < 5; n++) bus.publish("old", "x", history);
    const place = bus.read("old", history, undefined);
    for (let n = 0; n < 65_536; n++) bus.publish(`t${n}`, "x", history);
    bus.sweep();
    expect(since("old", 5), "as long as there are events").to.include({
      recovered: true,
      offset: 5,
    });
    bus.publish("young", "x", history); // it is used after all others now, but for "old"
    for (let n = 0; n < 65_536; n++) bus.publish(`t${n}`, "x", history);
    bus.publish("young", "x", history);
    time.now = 1_000;
    bus.sweep();
    for (let n = 0; n < 6; n++) bus.publish("old", "x", history);
    const again = events
      .filter(({ topic }) => topic === "old")
      .map(({ epoch, offset }) => `${epoch} ${offset}`);
    expect(new Set(again).size).to.equal(11);
    expect(since("old", 5, place), "six were missed").to.include({ recovered: false });
    expect(bus.read("young", history, undefined)).to.include({ offset: 2 });
  });

  it("remembers nothing of unknown topics that are read, each of which stands at the same place", () => {
    const { bus, since } = open();
    const { epoch } = bus.read("t", history, undefined);
    for (let n = 0; n < 10_000; n++) {
      expect(bus.read(`made up ${n}`, history, undefined)).to.deep.equal({
        epoch,
        offset: 0,
        missed: [],
      });
      expect(since(`made up ${n}`, 0)).to.deep.equal({
        epoch,
        offset: 0,
        recovered: true,
        missed: [],
      });
    }
    expect(since("made up", 1)).to.include({ recovered: false });
    expect(bus.size).to.equal(0);
  });

  it("gives all events to whoever came before the first, though others were forgotten meanwhile", () => {
    const { time, bus, events, since } = open();
    crowd({ time, bus }, 65_540, "earlier");
    bus.sweep();
    const place = bus.read("t", history, undefined);
    crowd({ time, bus }, 60_000, "later"); // forgets as many of the earlier ones
    bus.sweep();
    expect(since("t", 0, place), "before the first event").to.include({ recovered: true });
    bus.publish("t", "1", history);
    expect(events.at(-1)?.offset).to.equal(1);
    expect(since("t", 0, place)).to.deep.include({ recovered: true, offset: 1 });
    expect(since("t", 1, place)).to.deep.include({ recovered: true, missed: [] });
  });

  it("does not say so to whoever came before an event that is forgotten, nor for an epoch that is made up", () => {
    const { time, bus, since } = open();
    const place = bus.read("t", history, undefined);
    bus.publish("t", "1", history);
    crowd({ time, bus }, 65_540);
    bus.sweep();
    for (const moment of ["unknown again", "with another first event"]) {
      expect(since("t", 0, place), moment).to.include({ recovered: false });
      bus.publish("t", "1", history);
    }
    const { epoch, offset } = bus.read("t", history, undefined);
    for (const wrong of [
      `${epoch}0`,
      `${epoch} `,
      epoch.replace(".", ".0"),
      epoch.replace(/\..*/, ""),
      `${epoch}.0`,
      "e.NaN",
      "e.",
      "",
      "e.-1",
    ])
      expect(bus.read("t", history, { epoch: wrong, offset }), wrong).to.include({
        recovered: false,
      });
  });

  it("makes room for each new topic, not once a minute", () => {
    const { time, bus } = open();
    for (let round = 0; round < 3; round++) crowd({ time, bus }, 65_536, `round ${round} `);
    expect(bus.size).to.be.within(64_000, 65_536);
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
