import { expect } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import type { Overflow } from "../../src/index.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { SubscriptionHarness } from "../helpers/models/subscription-harness.js";
import { type Seen, TopicReader } from "../helpers/models/topic-reader.js";

type Step =
  | { readonly do: "publish"; readonly topic: "kept" | "plain"; readonly times: number }
  | { readonly do: "connect" | "refresh"; readonly reader: number; readonly seconds: number }
  | { readonly do: "leave" | "stall" | "drain"; readonly reader: number }
  | {
      readonly do: "subscribe" | "unsubscribe";
      readonly reader: number;
      readonly topic: "kept" | "plain";
    }
  | { readonly do: "wait"; readonly seconds: number }
  | { readonly do: "restart" }
  | { readonly do: "turn" };

const readers = 3;
const reader = fc.nat({ max: readers - 1 });
const topic = fc.constantFrom("kept" as const, "plain" as const);
const seconds = fc.constantFrom(5, 20, 100, 10_000);
const times = fc.constantFrom(1, 1, 2, 5, 10, 300);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("publish" as const), topic, times }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("connect" as const, "refresh" as const),
      reader,
      seconds,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom("leave" as const, "stall" as const, "drain" as const),
      reader,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("subscribe" as const, "unsubscribe" as const),
      reader,
      topic,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), seconds }) },
  { weight: 1, arbitrary: fc.constant({ do: "restart" as const }) },
  { weight: 4, arbitrary: fc.constant({ do: "turn" as const }) },
);

/**
 * One run: the readers do what the steps say, and at last everybody is well and hears one more
 * event.
 */
class Run {
  readonly rig: SubscriptionHarness;
  readonly readers: readonly TopicReader[];
  #published = 0;

  constructor(overflow: Overflow) {
    this.rig = new SubscriptionHarness(new ManualClock(), overflow);
    this.readers = Array.from({ length: readers }, () => new TopicReader(this.rig));
  }

  async take(step: Step): Promise<void> {
    if (step.do === "publish")
      for (let time = 0; time < step.times; time++) this.publish(step.topic);
    else if (step.do === "wait") this.rig.clock.advance(step.seconds * 1_000);
    else if (step.do === "restart") this.rig.restart();
    else if (step.do === "turn") await this.turn();
    else this.#act(this.readers[step.reader] as TopicReader, step);
  }

  #act(who: TopicReader, step: Extract<Step, { reader: number }>): void {
    if (step.do === "connect") who.connect(step.seconds);
    else if (step.do === "refresh") who.refresh(step.seconds);
    else if (step.do === "leave" || step.do === "stall" || step.do === "drain") who[step.do]();
    else
      who[step.do as "subscribe" | "unsubscribe"](who[(step as { topic: "kept" | "plain" }).topic]);
  }

  publish(topic: "kept" | "plain"): void {
    this.rig.publish(topic, ++this.#published);
  }

  async turn(): Promise<void> {
    await this.rig.settle();
    for (const who of this.readers) who.read();
  }

  /** Everybody reads, has a session, and is subscribed. */
  async makeWell(): Promise<void> {
    for (const who of this.readers) who.drain();
    await this.turn();
    for (const who of this.readers) {
      if (who.isConnected) who.refresh(100_000);
      else who.connect(100_000);
    }
    await this.turn();
    for (const who of this.readers)
      for (const feed of [who.kept, who.plain]) if (!feed.isSubscribed) who.subscribe(feed);
    await this.turn();
  }
}

/**
 * Every number once and in order; where some are missing, a gap stands between. Numbers are shared
 * by the topics, so neighbours differ by topic.
 */
function check(seen: readonly Seen[], published: readonly number[]): void {
  const numbers = seen.filter((one) => one !== "gap");
  expect(numbers, "in order, once").to.deep.equal([...new Set(numbers)].sort((a, b) => a - b));
  seen.forEach((one, index) => {
    const next = seen[index + 1];
    if (one === "gap" || next === "gap" || next === undefined) return;
    expect(
      published.indexOf(next),
      `between ${one} and ${next} nothing was missed without a word`,
    ).to.equal(published.indexOf(one) + 1);
  });
}

const runs = Number(process.env.SUBSCRIPTION_MODEL_RUNS ?? 350);

describe("Subscriptions, whatever happens", () => {
  for (const overflow of ["drop-oldest", "drop-newest", "end"] as const) {
    it(`every event comes once and in order, or a gap is told (${overflow}, ${runs} runs)`, async function () {
      this.timeout(120_000);
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const run = new Run(overflow);
          const published = { kept: [] as number[], plain: [] as number[] };
          let count = 0;
          const publish = (name: "kept" | "plain") => published[name].push(++count);
          for (const one of steps) {
            if (one.do === "publish")
              for (let time = 0; time < one.times; time++) publish(one.topic);
            await run.take(one);
          }
          await run.makeWell();
          for (const name of ["kept", "plain"] as const) {
            publish(name);
            run.publish(name);
          }
          await run.turn();
          for (const who of run.readers) {
            check(who.kept.seen, published.kept);
            check(who.plain.seen, published.plain);
            expect(who.kept.seen.at(-1), "the last event reaches everybody").to.equal(
              published.kept.at(-1),
            );
            expect(who.plain.seen.at(-1), "the last event reaches everybody").to.equal(
              published.plain.at(-1),
            );
          }
          run.rig.dispose();
          expect(run.rig.topics, "no topic is left behind").to.equal(0);
          expect(run.rig.clock.pending, "no timer is left behind").to.equal(0);
        }),
        { numRuns: runs },
      );
    });
  }
});
