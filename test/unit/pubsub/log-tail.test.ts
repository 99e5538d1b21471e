import { setImmediate as endOfTurn } from "node:timers/promises";
import { expect } from "chai";
import fc from "fast-check";
import type { PastEvent } from "../../../src/pubsub/bus.js";
import type { LogPage, LogSource } from "../../../src/pubsub/log-tail.js";
import type { Push } from "../../../src/pubsub/push.js";
import type { SubscriberPort } from "../../../src/pubsub/subscription.js";
import { TopicSubscription } from "../../../src/pubsub/topic-subscription.js";
import { loggedEvent, Topics, topicKey } from "../../../src/pubsub/topics.js";

/** The application's log, and how long it takes to answer. */
class FakeLog implements LogSource {
  readonly events: PastEvent[] = [];
  readonly failures: unknown[] = [];
  readonly late: number[] = [];
  epoch = "e";
  reads = 0;
  /** How often it was asked where it stands. */
  asked = 0;
  /** Events that it gives at once. */
  pageSize = Number.POSITIVE_INFINITY;
  /** Offsets of events that cannot be sent. */
  readonly unfit = new Set<number>();
  /** How long each new attempt to read was put off. */
  readonly delays: number[] = [];
  isBroken = false;
  /** Answers that wait until the test lets them go. */
  readonly #held: (() => void)[] = [];
  isHolding = false;
  readonly #timers: (() => void)[] = [];

  get newest(): number {
    return this.events.at(-1)?.offset ?? 0;
  }

  add(offset: number): void {
    this.events.push({ offset, data: String(offset) });
  }

  async latest() {
    this.asked++;
    const place = { epoch: this.epoch, offset: this.newest, oldest: 0 };
    await this.#turn();
    return place;
  }

  async read(after: number): Promise<LogPage> {
    this.reads++;
    const all = this.events.filter(({ offset }) => offset > after);
    const page = all.slice(0, this.pageSize);
    await this.#turn();
    const events = page.filter(({ offset }) => !this.unfit.has(offset));
    return {
      events,
      offset: page.at(-1)?.offset ?? after,
      isWhole: page.length === all.length,
      hasLoss: events.length < page.length,
    };
  }

  after(delay: number, callback: () => void): () => void {
    this.delays.push(delay);
    this.#timers.push(callback);
    return () => void this.#timers.splice(this.#timers.indexOf(callback), 1);
  }

  /** How many timers run. */
  get waits(): number {
    return this.#timers.length;
  }

  fire(): void {
    for (const callback of this.#timers.splice(0)) callback();
  }

  failed(error: unknown): void {
    this.failures.push(error);
  }

  disordered(offset: number): void {
    this.late.push(offset);
  }

  release(): void {
    for (const answer of this.#held.splice(0)) answer();
  }

  async #turn(): Promise<void> {
    if (this.isHolding) await new Promise<void>((resolve) => void this.#held.push(resolve));
    if (this.isBroken) throw new Error("the database is away");
  }
}

const key = topicKey({ route: "r", name: "t" });

/** A node with subscribers of a topic with a log. */
function node(log: FakeLog) {
  const topics = new Topics((error) => {
    throw error;
  });
  const topic = { route: "r", name: "t", history: undefined, log };
  const join = async (since?: { epoch: string; offset: number }) => {
    const got: { offset: number; gap: boolean }[] = [];
    const port: SubscriberPort = {
      send: (push: Push) => {
        const { offset, gap } = JSON.parse(push.text).params;
        got.push({ offset, gap: gap === true });
      },
      tellEnd() {},
      forget() {},
      takeBack: () => [],
      holds: () => false,
      began() {},
      ended() {},
      tooSlow() {},
      isHigh: () => false,
      isLive: () => true,
    };
    const rule = { overflow: "drop-oldest", buffer: 64 } as const;
    const subscription = new TopicSubscription(topic, rule, { topics, bus: null as never }, port);
    const answer = await subscription.open({ topics, bus: null as never }, since);
    subscription.begin();
    return { got, answer, subscription };
  };
  const publish = (offset: number) =>
    topics.event({ topic: key, data: loggedEvent(offset, String(offset)) });
  return { join, publish, topics };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await endOfTurn();
}

const offsetsOf = (got: readonly { readonly offset: number }[]) => got.map(({ offset }) => offset);

describe("A topic with the application's own log", () => {
  it("delivers an event at once, without a look at the log, if it is the next number", async () => {
    const log = new FakeLog();
    const { join, publish } = node(log);
    const { got, answer } = await join();
    expect(answer).to.deep.equal({ subscription: "t", epoch: "e", offset: 0 });
    for (const offset of [1, 2, 3]) {
      log.add(offset);
      publish(offset);
    }
    expect(offsetsOf(got)).to.deep.equal([1, 2, 3]);
    expect(log.reads).to.equal(0);
  });

  it("brings with the next event what nobody has published, and in order what overtook another", async () => {
    const log = new FakeLog();
    const { join, publish } = node(log);
    const { got } = await join();
    for (const offset of [10, 20, 30, 40, 50]) log.add(offset);
    publish(30); // 10 and 20 were logged by a node that died
    publish(50);
    publish(40);
    await settle();
    publish(20);
    await settle();
    expect(got).to.deep.equal([10, 20, 30, 40, 50].map((offset) => ({ offset, gap: false })));
    expect(log.late).to.deep.equal([]);
  });

  it("replays to a subscriber that comes back what it missed, and what is published meanwhile, once", async () => {
    const log = new FakeLog();
    const { join, publish } = node(log);
    for (const offset of [3, 6, 9]) log.add(offset);
    log.isHolding = true;
    const joining = join({ epoch: "e", offset: 3 });
    await settle();
    log.add(12);
    publish(12);
    for (let n = 0; n < 6; n++) {
      log.release();
      await settle();
    }
    log.isHolding = false;
    log.release();
    const { got, answer } = await joining;
    expect(answer).to.include({ recovered: true, epoch: "e" });
    publish(9);
    log.add(15);
    publish(15);
    await settle();
    expect(got).to.deep.equal([6, 9, 12, 15].map((offset) => ({ offset, gap: false })));
  });

  it("says that nothing follows after another epoch, a place beyond the end, or deleted events", async () => {
    const log = new FakeLog();
    const { join } = node(log);
    for (const offset of [5, 6]) log.add(offset);
    for (const since of [
      { epoch: "another", offset: 5 },
      { epoch: "e", offset: 7 },
    ])
      expect((await join(since)).answer).to.include({ recovered: false, offset: 6, epoch: "e" });
    log.latest = async () => ({ epoch: "e", offset: 6, oldest: 5 });
    expect((await join({ epoch: "e", offset: 3 })).answer).to.include({ recovered: false });
    const { answer, got } = await join({ epoch: "e", offset: 4 });
    expect(answer).to.include({ recovered: true });
    expect(offsetsOf(got)).to.deep.equal([5, 6]);
  });

  it("tells a gap with the next event when one came to light behind another, and when the epoch changes", async () => {
    const log = new FakeLog();
    const { join, publish } = node(log);
    const { got } = await join();
    log.add(2);
    publish(2);
    await settle();
    publish(1); // it became visible too late
    await settle();
    expect(log.late).to.deep.equal([1]);
    publish(3);
    expect(got).to.deep.equal([
      { offset: 2, gap: false },
      { offset: 3, gap: true },
    ]);
    log.epoch = "another";
    log.events.length = 0;
    log.add(1);
    publish(1);
    await settle();
    log.add(2);
    publish(2);
    await settle();
    expect(got.at(-1)).to.deep.equal({ offset: 2, gap: true });
  });

  it("delivers what was published and is not in the log, after the log was looked at", async () => {
    const log = new FakeLog();
    const { join, publish } = node(log);
    const { got } = await join();
    publish(7);
    publish(9);
    await settle();
    expect(offsetsOf(got)).to.deep.equal([7, 9]);
  });

  it("asks the log nothing about an event that is published twice", async () => {
    const log = new FakeLog();
    const { join, publish } = node(log);
    const { got } = await join();
    for (const offset of [1, 2, 1, 2]) {
      if (offset > log.newest) log.add(offset);
      publish(offset);
    }
    await settle();
    expect(got).to.deep.equal([1, 2].map((offset) => ({ offset, gap: false })));
    expect([log.asked, log.reads]).to.deep.equal([1, 0]);
  });

  it("tells a gap where the log has an event that cannot be sent", async () => {
    const log = new FakeLog();
    const { join, publish } = node(log);
    const { got } = await join();
    for (const offset of [1, 2, 3]) log.add(offset);
    log.unfit.add(2);
    publish(3);
    await settle();
    expect(offsetsOf(got)).to.deep.equal([1, 3]);
    expect(got.some(({ gap }) => gap)).to.equal(true);
  });

  it("reads on until the log has no more", async () => {
    const log = new FakeLog();
    log.pageSize = 2;
    const { join, publish } = node(log);
    const { got } = await join();
    const offsets = [1, 3, 5, 7, 9];
    for (const offset of offsets) log.add(offset);
    publish(9);
    for (let page = 0; page < 3; page++) await settle();
    expect(got).to.deep.equal(offsets.map((offset) => ({ offset, gap: false })));
    expect(log.reads).to.equal(3);
  });

  it("replays to who shares the reading of another what came after it had begun", async () => {
    const log = new FakeLog();
    log.latest = async () => ({ epoch: "e", offset: log.newest, oldest: 0 });
    const { join, publish } = node(log);
    for (const offset of [1, 2, 3]) log.add(offset);
    await join();
    log.isHolding = true;
    const first = join({ epoch: "e", offset: 1 });
    await settle();
    log.add(4);
    publish(4);
    const second = join({ epoch: "e", offset: 1 });
    await settle();
    expect(log.reads).to.equal(1);
    log.isHolding = false;
    log.release();
    for (const { answer, got } of [await first, await second]) {
      expect(answer).to.include({ recovered: true });
      expect(got).to.deep.equal([2, 3, 4].map((offset) => ({ offset, gap: false })));
    }
  });

  it("keeps the newest 64 of the published events that wait for the log", async () => {
    const log = new FakeLog();
    const { join, publish } = node(log);
    const { got } = await join();
    log.isBroken = true;
    const offsets = Array.from({ length: 100 }, (_, n) => 2 * (n + 1));
    for (const offset of offsets) publish(offset);
    await settle();
    log.isBroken = false;
    log.fire();
    await settle();
    expect(offsetsOf(got)).to.deep.equal(offsets.slice(-64));
  });

  it("tries a log that is away less and less often, down to every 30 s, and the next time at once", async () => {
    const log = new FakeLog();
    const { join, publish } = node(log);
    await join();
    for (const round of [1, 2]) {
      log.isBroken = true;
      log.add(10 * round);
      publish(10 * round);
      await settle();
      for (let attempt = 0; attempt < 6; attempt++) {
        log.fire();
        await settle();
      }
      log.isBroken = false;
      log.fire();
      await settle();
    }
    const once = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
    expect(log.delays).to.deep.equal([...once, ...once]);
  });

  it("waits for a log that is away, and then goes on without a loss; who joins meanwhile is refused", async () => {
    const log = new FakeLog();
    const { join, publish } = node(log);
    const { got } = await join();
    log.isBroken = true;
    log.add(5);
    publish(5);
    await settle();
    expect(got).to.deep.equal([]);
    expect(log.failures).to.have.lengthOf(1);
    expect(await join().catch((error: Error) => error.message)).to.equal("the database is away");
    log.isBroken = false;
    log.fire();
    await settle();
    expect(got).to.deep.equal([{ offset: 5, gap: false }]);
  });

  it("delivers nothing that was read of a log which is another one by then", async () => {
    const log = new FakeLog();
    log.latest = async () => ({ epoch: log.epoch, offset: log.newest, oldest: 0 });
    const { join, publish } = node(log);
    const { got } = await join();
    log.isHolding = true;
    for (const offset of [2, 5]) log.add(offset);
    publish(5);
    await settle();
    log.epoch = "another";
    log.events.length = 0;
    log.add(1);
    await join();
    log.isHolding = false;
    log.release();
    await settle();
    log.add(9);
    publish(9);
    await settle();
    expect(offsetsOf(got)).to.include(9).and.not.include(2);
    expect(got[0]?.gap).to.equal(true);
  });

  it("tries no more once nobody subscribes", async () => {
    const log = new FakeLog();
    const { join, publish } = node(log);
    const { subscription } = await join();
    log.isBroken = true;
    publish(5);
    await settle();
    expect(log.waits).to.equal(1);
    subscription.stop();
    expect(log.waits).to.equal(0);
  });

  it("loses nothing while the bus is away: the log is read instead of telling a gap", async () => {
    const log = new FakeLog();
    const { join, publish, topics } = node(log);
    const { got } = await join();
    for (const offset of [1, 2, 3]) log.add(offset);
    topics.gap();
    await settle();
    log.add(4);
    publish(4);
    expect(got).to.deep.equal([1, 2, 3, 4].map((offset) => ({ offset, gap: false })));
  });

  it("gives every subscriber every event once and in order, however publishing, reading and joining interleave", async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant("log" as const), by: fc.nat(2) }) },
      { weight: 5, arbitrary: fc.record({ do: fc.constant("publish" as const), by: fc.nat(5) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), by: fc.nat(5) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("join" as const), by: fc.nat(9) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("release" as const), by: fc.nat(1) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("turn" as const), by: fc.nat(1) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("gap" as const), by: fc.nat(1) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const log = new FakeLog();
        const { join, publish, topics } = node(log);
        log.isHolding = true;
        const unpublished: number[] = [];
        const joining: { since: number | undefined; joined: ReturnType<typeof join> }[] = [];
        for (const { do: what, by } of steps) {
          if (what === "log") {
            log.add(log.newest + 1 + by);
            unpublished.push(log.newest);
          } else if (what === "publish") {
            const [offset] = unpublished.splice(by % (unpublished.length || 1), 1);
            if (offset !== undefined) publish(offset);
          } else if (what === "lose") unpublished.splice(by % (unpublished.length || 1), 1);
          else if (what === "join") {
            const since = by === 0 ? undefined : (log.events[log.events.length - by]?.offset ?? 0);
            const place = since === undefined ? undefined : { epoch: "e", offset: since };
            joining.push({ since, joined: join(place) });
          } else if (what === "release") log.release();
          else if (what === "gap") topics.gap();
          else await settle();
        }
        log.isHolding = false;
        log.release();
        await settle();
        for (const offset of unpublished) publish(offset);
        log.add(log.newest + 1);
        publish(log.newest);
        await settle();
        for (const { since, joined } of joining) {
          const { answer, got } = await joined;
          const from = since ?? (answer.offset as number);
          expect(got).to.deep.equal(
            log.events
              .filter(({ offset }) => offset > from)
              .map(({ offset }) => ({ offset, gap: false })),
          );
          if (since !== undefined) expect(answer).to.include({ recovered: true });
        }
        expect(log.late).to.deep.equal([]);
      }),
      { numRuns: 300 },
    );
  });
});
