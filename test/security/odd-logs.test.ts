/** What an application's own log of a topic must not do, and what comes of it. */
import { expect } from "chai";
import { z } from "zod";
import { createRpc, type TopicLog } from "../../src/index.js";
import { eventually } from "../helpers/eventually.js";
import { describeRows, type RowsFor } from "../helpers/odd-rows.js";
import { rejectionOf } from "../helpers/rejection.js";
import { expectError } from "../helpers/server/expected.js";
import {
  ask,
  exchange,
  type Frame,
  leftovers,
  request,
  resultOf,
} from "../helpers/server/frames.js";
import { startTimed } from "../helpers/server/timed-server.js";

type Log = TopicLog<unknown, number>;
const place = { epoch: "e", offset: 3 };

const right: Log = {
  async *read({ after }) {
    for (let offset = after + 1; offset <= 3; offset++) yield { offset, data: offset };
  },
  latest: () => place,
};

/** A server with a topic on such a log, and one beside it. */
function start(log: Partial<Log>) {
  const rpc = createRpc();
  const app = rpc.router({
    news: rpc.topic({ event: z.number(), key: () => "news", history: { ...right, ...log } }),
    plain: rpc.topic({ event: z.number(), key: () => "plain" }),
  });
  return startTimed(app).then((server) => ({ server, app }));
}

/** Time passes until the answer is there. */
async function answerOf<T>(answer: Promise<T>, clock: { advance(by: number): void }): Promise<T> {
  let isSettled = false;
  const settled = answer.finally(() => {
    isSettled = true;
  });
  while (!isSettled) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(100);
  }
  return settled;
}

const since = { $since: { epoch: "e", offset: 1 } };

describeRows("An application's own log", {
  async read(oddity) {
    const { server, app } = await start({ read: oddity.of(right.read) as Log["read"] });
    await using running = server;
    const client = await running.login();
    const answered = await answerOf(ask(client, "news", since), running.clock);
    if (answered.error === undefined) expect(answered.result).to.include({ recovered: true });
    else expectError(answered, "overloaded");
    // who needs no reading is not harmed
    const other = await running.login();
    expect(await resultOf(other, "news")).to.include({ offset: 3, epoch: "e" });
    await running.server.publish(app.routes.news, undefined, 4, { offset: 4 });
    expect((await leftovers(other)).map(({ params }) => params?.offset)).to.deep.equal([4]);
  },
  async latest(oddity) {
    const { server } = await start({ latest: oddity.of(right.latest) as Log["latest"] });
    await using running = server;
    const answered = await answerOf(ask(await running.login(), "news"), running.clock);
    if (answered.error === undefined) expect(answered.result).to.include(place);
    else expectError(answered, "overloaded");
  },
} satisfies RowsFor<Log>);

describe("An application's own log", () => {
  for (const [what, yielded] of [
    ["the same offset twice", [2, 2]],
    ["descending offsets", [3, 2]],
    ["an offset that was not asked for", [1]],
    ["what is no offset", ["2"]],
    ["fractions", [2.5]],
  ] as const)
    it(`that yields ${what} refuses its reader for the moment, and says why in the log`, async () => {
      const { server } = await start({
        async *read() {
          for (const offset of yielded) yield { offset: offset as number, data: 1 };
        },
      });
      await using running = server;
      expectError(await ask(await running.login(), "news", since), "overloaded");
      expect(JSON.stringify(running.log)).to.match(
        /history\.read of news must yield.*topic\.fail|topic\.fail.*history\.read of news must yield/,
      );
    });

  it("that never ends is left after 10,000 events, and its reader has a gap", async () => {
    let [count, isLeft, isAborted] = [0, false, false];
    const { server } = await start({
      async *read({ after, signal }) {
        try {
          for (let offset = after + 1; ; offset++) {
            count++;
            yield { offset, data: offset };
          }
        } finally {
          isLeft = true;
          isAborted = signal.aborted;
        }
      },
    });
    await using running = server;
    expect(await resultOf(await running.login(), "news", since)).to.include({ recovered: false });
    expect(count).to.equal(10_000);
    await eventually(() =>
      expect({ isLeft, isAborted }).to.deep.equal({ isLeft: true, isAborted: true }),
    );
  });

  it("whose iterator is a promise that rejects refuses its reader for the moment", async () => {
    const { server } = await start({
      read: () =>
        ({
          async [Symbol.asyncIterator]() {
            throw new Error("no iterator");
          },
        }) as unknown as AsyncIterable<{ offset: number; data: number }>,
    });
    await using running = server;
    expectError(await ask(await running.login(), "news", since), "overloaded");
    expect(JSON.stringify(running.log)).to.match(/must be synchronous/);
  });

  it("that is slow holds up no topic whose history is at hand", async () => {
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const rpc = createRpc();
    const common = { params: z.object({ n: z.number() }), event: z.number() };
    const app = rpc.router({
      slow: rpc.topic({
        ...common,
        key: ({ n }) => `slow ${n}`,
        history: { read: right.read, latest: () => opened.then(() => place) },
      }),
      quick: rpc.topic({
        ...common,
        key: ({ n }) => `quick ${n}`,
        history: { size: 9, ttl: 60_000 },
      }),
    });
    await using running = await startTimed(app);
    const client = await running.login();
    const calls = (method: string, count: number) =>
      Array.from({ length: count }, (_, n) => request(`${method} ${n}`, method, { n, ...since }));
    // as many as are read at a time, and more behind them than there are places
    const sent = [...calls("slow", 4), ...calls("quick", 7)];
    expect(await exchange(client, ...sent)).to.deep.equal([]);
    open();
    const answered: unknown[] = [];
    await eventually(async () => {
      for (const { id, result } of await leftovers(client)) if (result) answered.push(id);
      expect(answered).to.have.members(sent.map((call) => (call as { id: string }).id));
    });
  });

  it("with many events that do not fit any more is one line in the log", async () => {
    const { server } = await start({
      async *read() {
        for (let offset = 2; offset <= 50; offset++) yield { offset, data: "x" as never };
      },
    });
    await using running = server;
    expect(await resultOf(await running.login(), "news", since)).to.include({ recovered: false });
    expect(running.log.filter(({ fields }) => fields.event === "topic.fail")).to.have.lengthOf(1);
  });

  for (const isAsync of [false, true])
    it(`has its rule${isAsync ? ", which is asynchronous," : ""} asked no oftener than calls may come`, async () => {
      let asked = 0;
      const rpc = createRpc();
      const app = rpc.router({
        news: rpc.topic({
          key: () => "news",
          authorize() {
            asked++;
            return isAsync ? Promise.resolve(true) : true;
          },
          history: {
            async *read({ after }: { readonly after: number }) {
              for (let offset = after + 1; offset <= 99; offset++) yield { offset, data: offset };
            },
            latest: () => ({ epoch: "e", offset: 99 }),
          },
        }),
      });
      await using running = await startTimed(app, { limits: { subscribeCallsPerSecond: 100 } });
      const client = await running.login();
      // each from an earlier place than what waits, so that it replaces the one before it
      const calls = Array.from({ length: 60 }, (_, n) =>
        request(n, "news", { $since: { epoch: "e", offset: 80 - n } }),
      );
      const answered: Frame[] = [];
      client.send(...calls);
      await eventually(async () => {
        for (const frame of await leftovers(client)) if ("id" in frame) answered.push(frame);
        expect(answered).to.have.lengthOf(60);
      });
      const refused = answered.filter(({ error }) => error !== undefined);
      for (const frame of refused) expectError(frame, "rate_limited");
      expect(refused.length).to.be.within(1, 59);
      expect(asked).to.be.within(60, 100);
    });

  it("with an event that does not fit any more is a gap for who needs that event only", async () => {
    const { server } = await start({
      async *read({ after }) {
        for (const offset of [2, 3].filter((one) => one > after))
          yield { offset, data: (offset === 2 ? "two" : 3) as number };
      },
    });
    await using running = server;
    const client = await running.login();
    expect(await resultOf(client, "news", since)).to.include({ recovered: false, offset: 3 });
    const other = await running.login();
    const later = { $since: { epoch: "e", offset: 2 } };
    expect(await resultOf(other, "news", later)).to.include({ recovered: true });
    expect((await leftovers(other)).map(({ params }) => params?.data)).to.deep.equal([3]);
  });

  it("needs the offset of each event, and no other topic takes one", async () => {
    const { server, app } = await start({});
    await using running = server;
    const publish = running.server.publish.bind(running.server) as (
      ...args: unknown[]
    ) => Promise<void>;
    for (const options of [undefined, {}, { offset: 0 }, { offset: 1.5 }, { offset: "4" }])
      expect(await rejectionOf(publish(app.routes.news, undefined, 1, options)))
        .to.be.instanceOf(TypeError)
        .with.property("message")
        .that.matches(/news has a log of its own, so give \{offset\}/);
    expect(await rejectionOf(publish(app.routes.plain, undefined, 1, { offset: 1 })))
      .to.be.instanceOf(TypeError)
      .with.property("message")
      .that.matches(/leave out offset/);
    await publish(app.routes.news, undefined, 1, { offset: 4 });
  });

  it("is either kept by the server or its own", () => {
    const rpc = createRpc();
    const declare = (history: object) =>
      startTimed(rpc.router({ t: rpc.topic({ key: () => "t", history: history as Log }) }));
    return Promise.all(
      [{ read: right.read }, { latest: right.latest }, { ...right, size: 3 }].map(async (history) =>
        expect(await rejectionOf(declare(history))).to.be.instanceOf(TypeError),
      ),
    );
  });
});
