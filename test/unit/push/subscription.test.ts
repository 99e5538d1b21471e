import { setImmediate as endOfTurn } from "node:timers/promises";
import { expect } from "chai";
import { describe, it } from "mocha";
import type { Position } from "../../../src/protocol/messages.js";
import type { TopicState } from "../../../src/push/bus.js";
import { GeneratorSubscription } from "../../../src/push/generator-subscription.js";
import { LocalBus } from "../../../src/push/local-bus.js";
import type { Push } from "../../../src/push/push.js";
import type { SlowRule, SubscriberPort } from "../../../src/push/subscription.js";
import { EventPush } from "../../../src/push/subscription-frames.js";
import { TopicSubscription } from "../../../src/push/topic-subscription.js";
import { Topics } from "../../../src/push/topics.js";

const rule: SlowRule = { whenSlow: "drop-oldest", buffer: 3 };

/** A connection's end that writes down what it is given. */
function port(): SubscriberPort & { readonly sent: unknown[]; high: boolean; live: boolean } {
  const sent: unknown[] = [];
  const told = (push: Push) => {
    const { data, gap, reason } = JSON.parse(push.text).params;
    sent.push(reason ?? (gap ? { gap: data } : data));
  };
  return {
    sent,
    high: false,
    live: true,
    send: told,
    tellEnd: told,
    forget() {},
    ended() {},
    tooSlow() {},
    isHigh: () => false,
    isLive: () => true,
  };
}

const failing = (error: unknown): never => {
  throw error;
};

describe("a topic's subscription, when the bus is far away", () => {
  const history = { size: 10, ttl: 0 };
  const topic = { route: "r", name: "t", history };
  const event = (offset: number, epoch = "e") => new EventPush("t", String(offset), offset, epoch);

  /** A subscription whose `read` is answered by the test. */
  function far(since?: Position) {
    const topics = new Topics(failing);
    let answer: (state: TopicState) => void = () => {};
    let refuse: (error: Error) => void = () => {};
    const bus = {
      read: () =>
        new Promise<TopicState>((resolve, reject) => {
          answer = resolve;
          refuse = reject;
        }),
    };
    const end = port();
    const subscription = new TopicSubscription(topic, rule, { topics, bus }, end);
    const opened = subscription.open({ topics, bus }, since) as Promise<unknown>;
    return { topics, end, subscription, opened, answer: (state: TopicState) => answer(state), refuse: (error: Error) => refuse(error) };
  }

  it("sends what came before the answer once, and in order", async () => {
    const { end, subscription, opened, answer } = far();
    for (const offset of [5, 6, 7]) subscription.deliver(event(offset));
    answer({ epoch: "e", offset: 6, missed: [] });
    await opened;
    subscription.begin();
    subscription.deliver(event(7)); // twice
    subscription.deliver(event(8));
    expect(end.sent).to.deep.equal([7, 8]);
  });

  it("replays all that was missed, more than may wait for a slow reader", async () => {
    const { end, subscription, opened, answer } = far({ epoch: "e", offset: 0 });
    subscription.deliver(event(7));
    answer({ epoch: "e", offset: 6, recovered: true, missed: [1, 2, 3, 4, 5, 6].map((offset) => ({ offset, data: String(offset) })) });
    expect(await opened).to.deep.equal({ subscription: "t", epoch: "e", offset: 6, recovered: true });
    subscription.begin();
    expect(end.sent).to.deep.equal([1, 2, 3, 4, 5, 6, 7]);
  });

  it("tells the gap of what it could not keep before the answer, of a hole, and of another epoch", async () => {
    const { end, subscription, opened, answer } = far();
    for (const offset of [1, 2, 3, 4, 5]) subscription.deliver(event(offset));
    answer({ epoch: "e", offset: 0, missed: [] });
    await opened;
    subscription.begin();
    subscription.deliver(event(7));
    subscription.deliver(event(1, "another"));
    subscription.deliver(event(2, "another"));
    expect(end.sent).to.deep.equal([{ gap: 3 }, 4, 5, { gap: 7 }, { gap: 1 }, 2]);
  });

  it("leaves no topic behind when it is stopped before the answer", async () => {
    const { topics, subscription, opened, refuse, end } = far();
    expect(topics.size).to.equal(1);
    subscription.stop();
    expect(topics.size).to.equal(0);
    refuse(new Error("gone"));
    expect(await opened.catch((error: Error) => error.message)).to.equal("gone");
    subscription.begin();
    subscription.deliver(event(1));
    expect(end.sent).to.deep.equal([]);
  });

  it("that ends before its response was sent says so after it", () => {
    const topics = new Topics(failing);
    const bus = new LocalBus("e", () => 0);
    const end = port();
    const subscription = new TopicSubscription(topic, rule, { topics, bus }, end);
    void subscription.open({ topics, bus }, undefined);
    subscription.end("forbidden");
    expect(end.sent).to.deep.equal([]);
    subscription.begin();
    expect(end.sent).to.deep.equal(["forbidden"]);
  });

  it("whose delivery throws costs the other members nothing", () => {
    const errors: unknown[] = [];
    const topics = new Topics((error) => errors.push(error));
    const heard: unknown[] = [];
    topics.join({ ...topic, history: undefined }, { deliver: () => failing(new Error("broken")), missed() {} });
    topics.join({ ...topic, history: undefined }, { deliver: ({ data }) => heard.push(data), missed() {} });
    topics.event({ topic: "r t", data: "1" });
    expect(heard).to.deep.equal(["1"]);
    expect(errors).to.have.length(1);
  });
});

describe("a generator's subscription", () => {
  function source() {
    let pulls = 0;
    let isAborted = false;
    return {
      get pulls() {
        return pulls;
      },
      get isAborted() {
        return isAborted;
      },
      start: async function* () {
        for (;;) yield ++pulls;
      },
      encode: (event: unknown) => JSON.stringify(event),
      abort: () => {
        isAborted = true;
      },
      failed: () => -1,
    };
  }

  it("with whenSlow is pulled on while there is no room, once a turn, and the rule decides what is lost", async () => {
    const end = { ...port(), isHigh: () => true };
    const events = source();
    const subscription = new GeneratorSubscription("1", events, rule, end);
    subscription.begin();
    for (let turn = 0; turn < 20; turn++) await endOfTurn();
    expect(events.pulls).to.be.within(5, 21);
    expect(subscription.waiting).to.equal(rule.buffer);
    expect(end.sent).to.deep.equal([]);
    subscription.stop();
    expect(events.isAborted).to.equal(true);
  });

  it("without is not pulled as long as there is no room, or no session", async () => {
    for (const closed of [{ isHigh: () => true }, { isLive: () => false }]) {
      const events = source();
      const subscription = new GeneratorSubscription("1", events, undefined, { ...port(), ...closed });
      subscription.begin();
      for (let turn = 0; turn < 5; turn++) await endOfTurn();
      expect(events.pulls).to.equal(0);
      subscription.stop();
    }
  });

  it("that is always ready gives way after its share of a turn", async () => {
    const end = port();
    const events = source();
    const subscription = new GeneratorSubscription("1", events, undefined, end);
    subscription.begin();
    await endOfTurn();
    expect(events.pulls).to.be.within(1, 130);
    subscription.stop();
    await endOfTurn();
    await endOfTurn();
    const { pulls } = events;
    await endOfTurn();
    expect(events.pulls, "stopped").to.equal(pulls);
  });
});
