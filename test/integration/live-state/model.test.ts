import { expect } from "chai";
import * as fc from "fast-check";
import type { Overflow } from "../../../src/index.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { LiveReader } from "../../helpers/models/live-reader.js";
import {
  type HarnessPeer,
  type HarnessSnapshot,
  SubscriptionHarness,
} from "../../helpers/models/subscription-harness.js";

type Step =
  | { readonly do: "change"; readonly times: number }
  | { readonly do: "make"; readonly how: keyof HarnessSnapshot }
  | { readonly do: "connect" | "refresh"; readonly page: number; readonly seconds: number }
  | { readonly do: "leave" | "stall" | "drain" | "ask"; readonly page: number }
  | { readonly do: "wait"; readonly seconds: number }
  | { readonly do: "restart" | "turn" };
type StepOfPage = Extract<Step, { readonly page: number }>;

const pages = 3;
const page = fc.nat({ max: pages - 1 });
const seconds = fc.constantFrom(5, 20, 100, 10_000);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("change" as const),
      times: fc.constantFrom(1, 1, 1, 1, 2, 2, 3, 6, 10, 300),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("make" as const),
      how: fc.constantFrom("early" as const, "early" as const, "late" as const, "fail" as const),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("connect" as const, "connect" as const, "refresh" as const),
      ...{ page, seconds },
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom("leave" as const, "stall" as const, "drain" as const, "ask" as const),
      page,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), seconds }) },
  { weight: 1, arbitrary: fc.constant({ do: "restart" as const }) },
  { weight: 6, arbitrary: fc.constant({ do: "turn" as const }) },
);

/** A page that shows both topics: one with a history, and one without. */
class Page {
  readonly readers: readonly LiveReader[];
  readonly #rig: SubscriptionHarness;
  #peer: HarnessPeer | undefined;

  constructor(rig: SubscriptionHarness) {
    this.#rig = rig;
    this.readers = ["live", "bare"].map(
      (topic) => new LiveReader(topic, (id, params) => this.#send(id, topic, params)),
    );
  }

  get isConnected(): boolean {
    return this.#peer !== undefined && !this.#peer.isClosed;
  }

  connect(validFor: number): void {
    if (this.isConnected) return;
    this.#peer = this.#rig.connect();
    this.#send("login", "authenticate", { token: this.#token(validFor) });
    for (const reader of this.readers) reader.connected();
  }

  refresh(validFor: number): void {
    this.#send("refresh", "refresh", { token: this.#token(validFor) });
  }

  ask(): void {
    if (this.isConnected) for (const reader of this.readers) reader.ask();
  }

  leave(): void {
    this.#peer?.leave();
  }

  stall(): void {
    this.#peer?.stall();
  }

  drain(): void {
    this.#peer?.socket.drain();
  }

  read(): void {
    for (const frame of this.#peer?.received() ?? [])
      for (const reader of this.readers) reader.take(frame);
  }

  #send(id: string, method: string, params: object): void {
    this.#peer?.send({ id, method, params });
  }

  #token(validFor: number): string {
    return String(this.#rig.clock.now() / 1_000 + validFor);
  }
}

class Run {
  readonly rig: SubscriptionHarness;
  readonly pages: readonly Page[];
  #version = 0;

  constructor(overflow: Overflow, isFar: boolean) {
    this.rig = new SubscriptionHarness(new ManualClock(), overflow);
    this.rig.isFar = isFar;
    this.pages = Array.from({ length: pages }, () => new Page(this.rig));
  }

  async take(one: Step): Promise<void> {
    if (one.do === "change")
      for (let time = 0; time < one.times; time++) this.rig.change(++this.#version);
    else if (one.do === "make") this.rig.snapshots.shift()?.[one.how]();
    else if (one.do === "wait") this.rig.clock.advance(one.seconds * 1_000);
    else if (one.do === "restart") this.rig.restart();
    else if (one.do === "turn") await this.turn();
    else this.#act(this.pages[(one as StepOfPage).page] as Page, one as StepOfPage);
  }

  #act(who: Page, one: StepOfPage): void {
    if (one.do === "connect" || one.do === "refresh") who[one.do](one.seconds);
    else who[one.do]();
  }

  async turn(): Promise<void> {
    await this.rig.settle();
    for (const each of this.pages) each.read();
  }

  /** Everybody shows the state of a server that has just begun. */
  async begin(): Promise<void> {
    for (const each of this.pages) each.connect(10_000);
    await this.calm();
  }

  /** Everybody reads and has a session, and nothing is slow any more. */
  async makeWell(): Promise<void> {
    for (const each of this.pages) each.drain();
    await this.turn();
    for (const each of this.pages) {
      if (each.isConnected) each.refresh(100_000);
      else each.connect(100_000);
    }
    await this.calm();
    this.rig.change(++this.#version); // a loss is told with the event behind it
    await this.calm();
  }

  async calm(): Promise<void> {
    for (let round = 0; round < 8; round++) {
      await this.turn();
      for (const { late } of this.rig.snapshots.splice(0)) late();
      for (const each of this.pages) each.ask();
    }
  }
}

const runs = Number(process.env.LIVE_MODEL_RUNS ?? 200);

describe("The state that a page joins of a snapshot and the events behind it", () => {
  for (const overflow of ["drop-oldest", "end"] as const) {
    it(`equals the server's, over lost connections, gaps, restarts and slow snapshots (${overflow}, ${runs} runs)`, async function () {
      this.timeout(120_000);
      const seen = { snapshots: 0, recovered: 0, gaps: 0, events: 0, refused: 0 };
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { minLength: 10, maxLength: 80, size: "max" }),
          fc.boolean(),
          async (steps, isFar) => {
            const run = new Run(overflow, isFar);
            await run.begin();
            for (const one of steps) await run.take(one);
            await run.makeWell();
            const cards = Object.fromEntries(run.rig.cards);
            for (const { readers } of run.pages)
              for (const reader of readers) {
                expect(reader.isCurrent, `${reader.topic} is subscribed`).to.equal(true);
                expect(reader.cards, reader.topic).to.deep.equal(cards);
                for (const key of Object.keys(seen) as (keyof typeof seen)[])
                  seen[key] += reader.seen[key];
              }
            run.rig.dispose();
            await run.rig.settle();
            expect(run.rig.topics, "no topic is left behind").to.equal(0);
            expect(run.rig.clock.pending, "no timer is left behind").to.equal(0);
          },
        ),
        { numRuns: runs },
      );
      for (const [what, times] of Object.entries(seen)) expect(times, what).to.be.above(runs / 25);
    });
  }
});
