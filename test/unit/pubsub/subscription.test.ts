import { setImmediate as endOfTurn } from "node:timers/promises";
import { expect } from "chai";
import { describe, it } from "mocha";
import type { Position } from "../../../src/protocol/messages.js";
import type { TopicState } from "../../../src/pubsub/bus.js";
import { GeneratorSubscription } from "../../../src/pubsub/generator-subscription.js";
import { LocalBus } from "../../../src/pubsub/local-bus.js";
import type { Push } from "../../../src/pubsub/push.js";
import type { SlowRule, SubscriberPort } from "../../../src/pubsub/subscription.js";
import { EventPush } from "../../../src/pubsub/subscription-frames.js";
import { TopicSubscription } from "../../../src/pubsub/topic-subscription.js";
import { Topics } from "../../../src/pubsub/topics.js";

const rule: SlowRule = { overflow: "drop-oldest", buffer: 3 };

/** A connection's end that writes down what it is given. */
function port(): SubscriberPort & {
  readonly sent: unknown[];
  readonly forgotten: string[];
  room: number;
} {
  const sent: unknown[] = [];
  const forgotten: string[] = [];
  const told = (push: Push) => {
    const { data, gap, reason } = JSON.parse(push.text).params;
    sent.push(reason ?? (gap ? { gap: data } : data));
  };
  const end = {
    sent,
    forgotten,
    /** How many more events there is room for. */
    room: Number.POSITIVE_INFINITY,
    send: (push: Push) => {
      told(push);
      end.room--;
    },
    tellEnd: told,
    forget: (subscription: string) => void forgotten.push(subscription),
    takeBack: (): readonly Push[] => [],
    holds: () => false,
    began() {},
    ended() {},
    tooSlow() {},
    isHigh: () => end.room <= 0,
    isLive: () => true,
  };
  return end;
}

const failing = (error: unknown): never => {
  throw error;
};

describe("a topic's subscription, when the bus is far away", () => {
  const history = { size: 10, ttl: Number.POSITIVE_INFINITY };
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
    return {
      topics,
      end,
      subscription,
      opened,
      answer: (state: TopicState) => answer(state),
      refuse: (error: Error) => refuse(error),
    };
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
    answer({
      epoch: "e",
      offset: 6,
      recovered: true,
      missed: [1, 2, 3, 4, 5, 6].map((offset) => ({ offset, data: String(offset) })),
    });
    expect(await opened).to.deep.equal({
      subscription: "t",
      epoch: "e",
      offset: 6,
      recovered: true,
    });
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

  it("takes the first event of a topic without any for what comes next, whatever epoch it begins", async () => {
    const { end, subscription, opened, answer } = far();
    answer({ epoch: "e", offset: 0, missed: [] });
    await opened;
    subscription.begin();
    for (const offset of [1, 2]) subscription.deliver(event(offset, "later"));
    subscription.deliver(event(4, "later"));
    expect(end.sent).to.deep.equal([1, 2, { gap: 4 }]);
  });

  it("tells the gap of events that were lost before the first that came", async () => {
    for (const first of [1, 2]) {
      const { end, subscription, opened, answer } = far();
      answer({ epoch: "e", offset: 0, missed: [] });
      await opened;
      subscription.begin();
      if (first === 1) subscription.missed(); // as the bus tells it
      subscription.deliver(event(first, "later"));
      expect(end.sent).to.deep.equal([{ gap: first }]);
    }
  });

  it("leaves whoever recovers with the epoch that it has, though the history has a later one", async () => {
    const { end, subscription, opened, answer } = far({ epoch: "e", offset: 1 });
    answer({ epoch: "later", offset: 2, recovered: true, missed: [{ offset: 2, data: "2" }] });
    expect(await opened).to.deep.equal({
      subscription: "t",
      epoch: "e",
      offset: 2,
      recovered: true,
    });
    subscription.begin();
    subscription.deliver(event(3, "later"));
    expect(end.sent).to.deep.equal([2, 3]);
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
    topics.join(
      { ...topic, history: undefined },
      { deliver: () => failing(new Error("broken")), missed() {} },
    );
    topics.join(
      { ...topic, history: undefined },
      { deliver: ({ data }) => heard.push(data), missed() {} },
    );
    topics.event({ topic: "r t", data: "1" });
    expect(heard).to.deep.equal(["1"]);
    expect(errors).to.have.length(1);
  });
});

describe("a subscription whose reader is slow", () => {
  const topic = { route: "r", name: "t", history: undefined };
  const event = (n: number) => new EventPush("t", String(n));

  function open(
    overflow: SlowRule["overflow"] = "drop-oldest",
    history?: { size: number; ttl: number },
  ) {
    const end = port();
    const topics = new Topics(failing);
    const bus = new LocalBus("e", () => 0);
    const services = { topics, bus };
    const subscription = new TopicSubscription(
      { ...topic, history },
      { overflow, buffer: 3 },
      services,
      end,
    );
    return { end, bus, services, subscription };
  }

  it("is sent as much as there is room for, the rest when there is more, and what comes meanwhile behind it", () => {
    const { end, subscription } = open();
    subscription.begin();
    end.room = 0;
    for (const n of [1, 2, 3]) subscription.deliver(event(n));
    end.room = 2;
    subscription.deliver(event(4)); // there is room, but three wait: the oldest goes
    expect(end.sent).to.deep.equal([]);
    subscription.resume();
    expect(end.sent).to.deep.equal([{ gap: 2 }, 3]);
    end.room = 10;
    subscription.resume();
    subscription.deliver(event(5));
    expect(end.sent).to.deep.equal([{ gap: 2 }, 3, 4, 5]);
  });

  it("has no more room than before once it was sent what it had missed", () => {
    const history = { size: 10, ttl: Number.POSITIVE_INFINITY };
    const { end, bus, services, subscription } = open("drop-oldest", history);
    for (let n = 1; n <= 6; n++) bus.publish("r t", String(n), history);
    const { epoch } = bus.read("r t", history, undefined);
    void subscription.open(services, { epoch, offset: 0 });
    subscription.begin();
    expect(end.sent).to.deep.equal([1, 2, 3, 4, 5, 6]);
    end.room = 0;
    for (let n = 7; n <= 12; n++) subscription.deliver(new EventPush("t", String(n), n, epoch));
    expect(subscription.waiting).to.equal(3);
  });

  it("is sent a replay as room allows, and only in a session, before all that came meanwhile, none of which counts for it", () => {
    const history = { size: 10, ttl: Number.POSITIVE_INFINITY };
    const { end, bus, services, subscription } = open("drop-oldest", history);
    for (let n = 1; n <= 6; n++) bus.publish("r t", String(n), history);
    void subscription.open(services, { epoch: "e.0", offset: 0 });
    end.room = 2;
    subscription.begin();
    expect(end.sent).to.deep.equal([1, 2]);
    expect(subscription.replayLength, "a character each").to.equal(4);
    for (let n = 7; n <= 9; n++) subscription.deliver(new EventPush("t", String(n), n, "e.0"));
    end.room = 3;
    end.isLive = () => false;
    subscription.resume();
    expect(end.sent).to.deep.equal([1, 2]);
    end.isLive = () => true;
    subscription.resume();
    expect(end.sent).to.deep.equal([1, 2, 3, 4, 5]);
    end.room = 100;
    subscription.resume();
    expect(end.sent).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(subscription.replayLength).to.equal(0);
  });

  it("need not be read for once more as long as all that is asked for is still to be sent", () => {
    const history = { size: 10, ttl: Number.POSITIVE_INFINITY };
    const { end, bus, services, subscription } = open("drop-oldest", history);
    const covered = () =>
      Array.from({ length: 11 }, (_, offset) => offset).filter((offset) =>
        subscription.covers({ epoch: "e.0", offset }),
      );
    for (let n = 1; n <= 6; n++) bus.publish("r t", String(n), history);
    expect(covered(), "not read yet").to.deep.equal([]);
    void subscription.open(services, { epoch: "e.0", offset: 2 });
    expect(covered()).to.deep.equal([2, 3, 4, 5, 6]);
    expect(subscription.covers({ epoch: "e.1", offset: 4 })).to.equal(false);
    end.room = 2;
    subscription.begin();
    expect(covered()).to.deep.equal([4, 5, 6]);
    for (let n = 7; n <= 8; n++) bus.publish("r t", String(n), history);
    for (let n = 7; n <= 8; n++) subscription.deliver(new EventPush("t", String(n), n, "e.0"));
    expect(covered()).to.deep.equal([4, 5, 6, 7, 8]);
    for (let n = 9; n <= 10; n++) subscription.deliver(new EventPush("t", String(n), n, "e.0"));
    expect(covered(), "some were dropped").to.deep.equal([]);
    end.room = 100;
    subscription.resume();
    expect(covered(), "all were sent").to.deep.equal([10]);
  });

  it("with close is not ended before its response was sent: the gap is told after it", () => {
    const { end, subscription } = open("end");
    for (const n of [1, 2, 3, 4]) subscription.deliver(event(n));
    expect(subscription.state).to.equal("opening");
    subscription.begin();
    expect(end.sent).to.deep.equal([{ gap: 2 }, 3, 4]);
    end.room = 0;
    for (const n of [5, 6, 7, 8]) subscription.deliver(event(n));
    expect(subscription.state).to.equal("ended");
    expect(end.sent.at(-1)).to.equal("slow");
  });

  it("sends what was taken back in order, also when there was room for some of it only", () => {
    const { end, subscription } = open();
    const [first, second] = [event(1), event(2)];
    subscription.begin();
    for (const sent of [first, second]) subscription.deliver(sent);
    end.takeBack = () => [first, second];
    subscription.pause();
    end.room = 1;
    subscription.proceed();
    end.takeBack = () => [first];
    subscription.pause();
    subscription.deliver(event(3));
    end.sent.length = 0;
    end.room = Number.POSITIVE_INFINITY;
    subscription.proceed();
    expect(end.sent).to.deep.equal([1, 2, 3]);
  });

  it("may still see what was sent when it ends, unless that is for want of a right", () => {
    for (const [reason, forgotten] of [
      ["completed", []],
      ["error", []],
      ["slow", []],
      ["forbidden", ["t"]],
      ["logout", ["t"]],
    ] as const) {
      const { end, subscription } = open();
      subscription.begin();
      subscription.end(reason);
      expect(end.forgotten, reason).to.deep.equal(forgotten);
    }
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

  it("with overflow is pulled on while there is no room, once a turn, and the rule decides what is lost", async () => {
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
      const subscription = new GeneratorSubscription("1", events, undefined, {
        ...port(),
        ...closed,
      });
      subscription.begin();
      for (let turn = 0; turn < 5; turn++) await endOfTurn();
      expect(events.pulls).to.equal(0);
      subscription.stop();
    }
  });

  it("is left when it is stopped between two events, whether or not it looks at its signal", async () => {
    let isLeft = false;
    const start = async function* () {
      try {
        for (;;) yield 1;
      } finally {
        isLeft = true;
      }
    };
    const end = port();
    const subscription = new GeneratorSubscription("1", { ...source(), start }, undefined, end);
    subscription.begin();
    end.room = 2;
    for (let turn = 0; turn < 5; turn++) await endOfTurn();
    expect([end.sent, isLeft]).to.deep.equal([[1, 1], false]);
    subscription.stop();
    await endOfTurn();
    expect(isLeft).to.equal(true);
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
