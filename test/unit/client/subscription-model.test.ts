import { expect } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { gap, JotwireError, type SubscriptionIterator } from "../../../client/index.js";
import { granted, scriptedClient, settled } from "../../helpers/client/scripted-client.js";
import { TopicReference } from "../../helpers/models/topic-reference.js";

const topics = ["a", "b"] as const;
const buffer = 4;
const limits = {
  frameBytes: 1_000,
  batchLength: 5,
  requestsInFlight: 2,
  subscriptions: 10,
  responseBytes: 1_000,
};

type Step =
  | { readonly do: "publish" | "swallow" | "slow"; readonly topic: string }
  | { readonly do: "open"; readonly topic: string; readonly isMarked: boolean }
  | { readonly do: "read" | "leave"; readonly which: number }
  | {
      readonly do:
        | "serve"
        | "turn"
        | "drop"
        | "restart"
        | "come back"
        | "lose held"
        | "refuse"
        | "change user"
        | "reconnect";
    };

const topic = fc.constantFrom(...topics);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("publish" as const), topic }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("swallow" as const, "slow" as const), topic }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("open" as const), topic, isMarked: fc.boolean() }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("read" as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("leave" as const), which: fc.nat(5) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("serve" as const, "turn" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("drop" as const, "restart" as const, "lose held" as const),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("come back" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("refuse" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("change user" as const, "reconnect" as const) }),
  },
);

/** Who is signed in, or was last; nobody while that is for the next one to say. */
interface Users {
  now: string | undefined;
}

/**
 * Who has an iterator, and judges what it gives: each number once and in order, or a gap told in
 * between, and nothing once somebody else has signed in. At a gap it reads anew how far the topic
 * is, as a page does that loads its list again, and knows all up to there.
 */
class Consumer {
  readonly topic: string;
  readonly #iterator: SubscriptionIterator<unknown>;
  readonly #isMarked: boolean;
  readonly #readAnew: () => number;
  readonly #users: Users;
  user: string | undefined;
  /** Somebody else has signed in since. */
  isOthers = false;
  #last: number | undefined;
  #known: number | undefined;
  #isReading = false;
  isOver = false;
  readonly faults: string[] = [];

  constructor(
    topic: string,
    iterator: SubscriptionIterator<unknown>,
    isMarked: boolean,
    readAnew: () => number,
    users: Users,
  ) {
    this.topic = topic;
    this.#users = users;
    this.user = users.now;
    this.#iterator = iterator;
    this.#isMarked = isMarked;
    this.#readAnew = readAnew;
  }

  get last(): number | undefined {
    return this.#last;
  }

  /** Somebody signs in. */
  meet(user: string): void {
    this.user ??= user;
    this.isOthers ||= this.user !== user;
  }

  /** The newest that it has heard or read of; undefined before the first word. */
  get known(): number | undefined {
    return this.#known;
  }

  read(): void {
    if (this.#isReading || this.isOver) return;
    this.#isReading = true;
    this.#iterator.next().then(
      ({ done, value }) => {
        this.#isReading = false;
        if (!done) this.#take(value);
      },
      (error) => this.#end(error),
    );
  }

  #end(error: unknown): void {
    this.#isReading = false;
    this.isOver = true;
    if (!(error instanceof JotwireError && error.code === "subject_changed" && this.isOthers))
      this.faults.push(String(error));
  }

  leave(): void {
    this.isOver = true;
    void this.#iterator.return();
  }

  /** The client's event `gap` */
  told(): void {
    this.#known = this.#readAnew();
  }

  #take(value: unknown): void {
    if (this.isOthers)
      this.faults.push(`${this.#users.now} is signed in, and ${this.user} gets ${String(value)}`);
    if (value === gap) {
      if (!this.#isMarked) this.faults.push("a mark that nobody asked for");
      return this.told();
    }
    const n = value as number;
    if (this.#last !== undefined && n <= this.#last) this.faults.push(`${n} after ${this.#last}`);
    if (this.#known !== undefined && n > this.#known + 1)
      this.faults.push(`${n}, and all is known up to ${this.#known}: no gap was told`);
    this.#known = Math.max(this.#known ?? n, n);
    this.#last = n;
  }
}

async function run(steps: readonly Step[], historySize: number): Promise<void> {
  const server = new TopicReference(historySize, limits.requestsInFlight);
  const users: Users = { now: "ada" };
  const { client, clock, sockets, socket, signIn, pass } = scriptedClient({}, undefined, (made) => {
    made.answersPings = true;
  });
  const consumers: Consumer[] = [];
  client.on("gap", ({ params }) => consumers[(params as { which: number }).which]?.told());
  server.connect(await signIn({ limits }));

  const comeBack = async (user = users.now ?? "grace") => {
    if (client.state === "ready") return;
    await settled(); // what was read before is
    // for a back-off, or the next token
    for (let tries = 0; tries < 30 && sockets.at(-1)?.readyState !== 0; tries++) await pass(1_000);
    users.now = user;
    for (const consumer of consumers) consumer.meet(user);
    server.connect(await signIn({ subject: user, limits }));
  };

  for (const one of steps) {
    const consumer = "which" in one ? consumers[one.which] : undefined;
    if (one.do === "publish" || one.do === "swallow" || one.do === "slow")
      server[one.do](one.topic);
    else if (one.do === "open" && consumers.length < 6) {
      const params = { topic: one.topic, which: consumers.length };
      const iterator = client
        .subscribe("watch", params, { gaps: one.isMarked, buffer })
        [Symbol.asyncIterator]();
      consumers.push(
        new Consumer(one.topic, iterator, one.isMarked, () => server.count(one.topic), users),
      );
    } else if (one.do === "read") consumer?.read();
    else if (one.do === "leave") consumer?.leave();
    else if (one.do === "serve") server.serve();
    else if (one.do === "turn") await settled();
    else if (one.do === "restart") server.restart();
    else if (one.do === "refuse") server.refuse();
    else if (one.do === "reconnect") {
      server.disconnect();
      void client.reconnect().catch(() => {});
      users.now = undefined;
      await settled();
    }
    if (one.do === "drop" || one.do === "restart" || one.do === "change user") {
      server.disconnect();
      if (client.state === "ready") sockets.at(-1)?.drop();
      await settled();
    } else if (one.do === "come back") await comeBack();
    if (one.do === "change user") await comeBack(users.now === "ada" ? "grace" : "ada");
    else if (one.do === "lose held" && client.state === "ready") {
      await pass(1_000); // between two calls of token()
      void client.refresh().catch(() => {});
      const open = await socket();
      open.answer(
        open.last("refresh"),
        granted(clock, { subject: users.now, changed: true, gap: true, limits }),
      );
    }
  }

  // at last everybody is well, and knows all, but for what the server tells with its next event
  // only
  await comeBack();
  for (const consumer of consumers) if (consumer.isOthers) consumer.read(); // its end
  for (let round = 0; round < 8; round++) {
    server.serve();
    await pass(20_000); // for those that were slow, and those that were refused, two at a time
  }
  const here = consumers.filter(({ isOver }) => !isOver);
  const readAll = async () => {
    for (let count = 0; count < 2 * buffer + 4; count++) {
      for (const consumer of here) consumer.read();
      await settled();
    }
  };
  await readAll();
  for (const { topic: name, known } of here)
    if (known !== undefined && !server.owes(name)) expect(known).to.equal(server.count(name));

  // and one more event comes
  for (const name of topics) server.publish(name);
  await readAll();
  for (const consumer of here) expect(consumer.last).to.equal(server.count(consumer.topic));
  expect(consumers.flatMap(({ faults }) => faults).join("; ")).to.equal("");
  expect(server.excess).to.equal(0);
  expect(server.subscriptions).to.equal(new Set(here.map((consumer) => consumer.topic)).size);

  // and nothing is left when they go
  for (const consumer of here) consumer.leave();
  server.serve();
  expect(server.subscriptions).to.equal(0);
  await client.close();
  expect(clock.pending).to.equal(0);
}

describe("The client's subscriptions, whatever happens", function () {
  this.timeout(120_000);

  for (const [what, size] of [
    ["with a history that is long enough, or not", 3],
    ["without history", 0],
  ] as const) {
    it(`give every event once and in order, or tell a gap, ${what}`, async () => {
      const steps = fc.array(step, { minLength: 5, maxLength: 60 });
      await fc.assert(
        fc.asyncProperty(steps, (taken) => run(taken, size)),
        { numRuns: Number(process.env.SUBSCRIPTION_MODEL_RUNS ?? 500) },
      );
    });
  }
});
