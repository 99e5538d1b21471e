import { expect } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import type { LiveStep } from "../../../client/browser.js";
import { scriptedClient, settled } from "../../helpers/client/scripted-client.js";
import { type CardEvent, type Cards, LiveTopic } from "../../helpers/models/live-topic.js";

type Step =
  | { readonly do: "publish" | "lose"; readonly card: string }
  | {
      readonly do:
        | "read"
        | "serve one"
        | "serve"
        | "turn"
        | "drop"
        | "restart"
        | "come back"
        | "refuse";
    };

const card = fc.constantFrom("a", "b", "c");
const only = <const Name extends string>(...names: Name[]) =>
  fc.record({ do: fc.constantFrom(...names) });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("publish" as const), card }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lose" as const), card }) },
  { weight: 8, arbitrary: only("read", "serve one", "serve", "turn") },
  { weight: 2, arbitrary: only("drop", "restart") },
  { weight: 3, arbitrary: only("come back", "refuse") },
);

/** Applies an event by its version, so that it may come again. */
const apply = (cards: unknown, event: unknown): Cards => {
  const { card, version } = event as CardEvent;
  const known = (cards as Cards)[card] ?? 0;
  return { ...(cards as Cards), [card]: Math.max(known, version) };
};

async function run(steps: readonly Step[], historySize: number): Promise<void> {
  const topic = new LiveTopic(historySize);
  const { client, clock, sockets, signIn, pass } = scriptedClient({}, undefined, (made) => {
    made.answersPings = true;
  });
  topic.connect(await signIn());
  const steps$ = client.live("board", { board: "b1" }, apply, { buffer: 3 });
  const iterator = steps$[Symbol.asyncIterator]();
  let last: LiveStep<unknown, unknown> | undefined;
  let reached = 0; // the server's state that was seen last
  let isReading = false;
  const faults: string[] = [];

  const read = () => {
    if (isReading) return;
    isReading = true;
    iterator.next().then(
      ({ value }) => {
        isReading = false;
        if (!last && !value?.reset) faults.push("it begins without a snapshot");
        last = value;
        const seen = JSON.stringify(sorted(value?.state));
        const at = topic.states.findIndex(
          (state, index) => index >= reached && JSON.stringify(sorted(state)) === seen,
        );
        if (at < 0) faults.push(`${seen}: no state that the server has had since ${reached}`);
        else reached = at;
      },
      (error) => faults.push(String(error)),
    );
  };

  const comeBack = async () => {
    if (client.state === "ready") return;
    for (let tries = 0; tries < 30 && sockets.at(-1)?.readyState !== 0; tries++) await pass(1_000);
    topic.connect(await signIn());
  };

  for (const one of steps) {
    if (one.do === "publish" || one.do === "lose") topic.publish(one.card, one.do === "lose");
    else if (one.do === "read") read();
    else if (one.do === "serve one") topic.serve(1);
    else if (one.do === "serve") topic.serve();
    else if (one.do === "turn") await settled();
    else if (one.do === "refuse") topic.refuse();
    else if (one.do === "come back") await comeBack();
    else {
      topic.disconnect();
      if (one.do === "restart") topic.restart();
      if (client.state === "ready") sockets.at(-1)?.drop();
      await settled();
    }
  }

  await comeBack();
  topic.publish("a"); // tells of what was lost before it
  const isThere = () => sorted(last?.state).join() === sorted(topic.states.at(-1)).join();
  for (let round = 0; round < 60 && !isThere(); round++) {
    read();
    topic.serve();
    await pass(20_000);
  }
  expect(faults).to.deep.equal([]);
  expect(last?.state).to.deep.equal(topic.states.at(-1));
  expect(topic.isSubscribed).to.equal(true);
  await iterator.return();
  topic.serve();
  expect(topic.isSubscribed).to.equal(false);
  await client.close();
  expect(clock.pending).to.equal(0);
}

const sorted = (state: unknown) => Object.entries(Object(state)).sort();

describe("Live state, whatever happens", function () {
  this.timeout(120_000);

  for (const [what, size] of [
    ["with a history that is long enough, or not", 3],
    ["without history", 0],
  ] as const) {
    it(`is a state that the server has had, and its last one at last, ${what}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), (taken) =>
          run(taken, size),
        ),
        {
          numRuns: Number(process.env.LIVE_MODEL_RUNS ?? 150),
          ...(process.env.SEED ? { seed: Number(process.env.SEED) } : {}),
        },
      );
    });
  }
});
