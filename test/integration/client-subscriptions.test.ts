import { expect } from "chai";
import { describe, it } from "mocha";
import { z } from "zod";
import { type Client, gap } from "../../client/node.js";
import { createRpc } from "../../src/index.js";
import {
  type TestClientOptions,
  type TestServerOptions,
  testServer,
} from "../../src/testing/index.js";
import { consume } from "../helpers/consumer.js";
import { eventually } from "../helpers/eventually.js";

/** Lets sockets do their work until `condition` holds. */
const until = (condition: () => boolean) => eventually(() => expect(condition()).to.equal(true));

/** An application that tells numbers. `running`: how many generators are. */
function numbersApp() {
  const state = { running: 0 };
  const rpc = createRpc({ scopes: ["numbers"] });
  const history = { size: 20, ttl: 600_000 };
  const event = z.object({ n: z.number(), padding: z.string().optional() });
  const params = z.object({ kind: z.string() });
  const app = rpc.router({
    kept: rpc.topic({
      scope: "numbers",
      params,
      event,
      key: ({ kind }) => `kept:${kind}`,
      history,
    }),
    plain: rpc.topic({
      scope: "numbers",
      params,
      event,
      key: ({ kind }) => `plain:${kind}`,
      overflow: "drop-oldest",
      buffer: 4,
    }),
    strict: rpc.topic({
      params,
      event,
      key: ({ kind }) => `strict:${kind}`,
      overflow: "end",
      buffer: 4,
    }),
    plan: rpc.method({ handler: () => ({ subscription: "kept:a" }) }),
    count: rpc.subscription({
      params: z.object({ to: z.number() }),
      async *handler({ params: { to }, signal }) {
        state.running++;
        try {
          for (let n = 1; n <= to; n++) yield { n };
          if (to === 0) await new Promise((resolve) => signal.addEventListener("abort", resolve));
          if (to < 0) throw new Error("a secret of the implementation");
        } finally {
          state.running--;
        }
      },
    }),
  });
  return { app, state };
}

async function startPair(
  options: TestClientOptions<ReturnType<typeof numbersApp>["app"]> = {},
  serverOptions: TestServerOptions<Record<never, never>> = {},
) {
  const { app, state } = numbersApp();
  const server = testServer(app, serverOptions);
  let scopes = ["numbers"];
  let whenAllowed: Promise<void> | undefined;
  const client = server.client({
    async token() {
      await whenAllowed;
      return server.token({ scopes });
    },
    ...options,
  });
  const lost: string[] = [];
  client.on("gap", ({ name }) => lost.push(name));
  await client.ready();
  return {
    ...{ client, state, lost, app, server },
    narrow: () => {
      scopes = [];
    },
    /** Lets no token be had until the returned function is called. */
    holdTokens: () => {
      let allow = () => {};
      whenAllowed = new Promise((resolve) => {
        allow = resolve;
      });
      return allow;
    },
    /** Publishes the numbers from `first` to `last` under `kept` and `plain`. */
    async publish(first: number, last = first) {
      for (let n = first; n <= last; n++) {
        await server.publish(app.routes.kept, { kind: "a" }, { n });
        await server.publish(app.routes.plain, { kind: "a" }, { n });
      }
    },
    /** Loses the connection, lets `meanwhile` happen, and comes back. */
    async cut(meanwhile: () => Promise<void>) {
      server.network.drop();
      await meanwhile();
      server.network.restore();
      await server.clock.advance(1_000);
      await client.ready();
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);
const read = (events: readonly unknown[]) =>
  events.map((event) => (event === gap ? "gap" : (event as { n: number }).n));

describe("Subscriptions of the client, from the real server", () => {
  it("give a generator's events in order, and end with it", async () => {
    await using pair = await startPair();
    const got: number[] = [];
    for await (const { n } of pair.client.api.count({ to: 200 })) got.push(n);
    expect(got).to.deep.equal(numbers(1, 200));
    expect(pair.state.running).to.equal(0);
  });

  it("keep their events from the call on, whoever iterates when, over a lost connection too", async () => {
    await using pair = await startPair();
    const { client } = pair;
    const kept = client.api.kept({ kind: "a" }, { gaps: true });
    const counted = client.api.count({ to: 3 });
    // a method's result is a result, whatever members it has
    expect(await client.api.plan()).to.deep.equal({ subscription: "kept:a" });
    await pair.publish(1, 3);
    await client.call("ping");
    await pair.cut(() => pair.publish(4, 6));
    await client.call("ping");
    const got = consume(kept);
    await pair.publish(7);
    await until(() => got.events.length === 7);
    expect(read(got.events)).to.deep.equal(numbers(1, 7));
    const gotCounted = consume(counted);
    await until(() => gotCounted.isDone);
    expect(read(gotCounted.events)).to.deep.equal(numbers(1, 3));
    expect(pair.lost).to.deep.equal([]);
  });

  it("stop the generator when the loop is left, by break, by await using and by the signal", async () => {
    await using pair = await startPair();
    for await (const { n } of pair.client.api.count({ to: 1_000_000 })) if (n === 3) break;
    await until(() => pair.state.running === 0);
    const controller = new AbortController();
    const aborted = consume(pair.client.api.count({ to: 0 }, { signal: controller.signal }));
    {
      await using quiet = pair.client.api.count({ to: 0 });
      const got = consume(quiet);
      await until(() => pair.state.running === 2);
      expect(got.isDone).to.equal(false);
    }
    await until(() => pair.state.running === 1);
    controller.abort();
    await until(() => pair.state.running === 0 && aborted.error !== undefined);
    expect(aborted.error).to.include({ code: "aborted" });
  });

  it("throw when the generator throws, without its words", async () => {
    await using pair = await startPair();
    const got = consume(pair.client.api.count({ to: -1 }));
    await until(() => got.error !== undefined);
    expect(got.error).to.include({ code: "subscription_ended", reason: "error" });
    expect(String(got.error)).to.not.include("secret");
  });

  it("throw what refused them", async () => {
    await using pair = await startPair();
    const wrong = consume(pair.client.subscribe("count", { to: "many" } as never));
    const unknown = consume((pair.client as unknown as Client).subscribe("no.such.name"));
    await until(() => wrong.error !== undefined && unknown.error !== undefined);
    expect(wrong.error).to.include({ code: "invalid_params" });
    expect(unknown.error).to.include({ code: "method_not_found" });
  });

  it("live over a refresh in place, and over an expired session whose events were held", async () => {
    await using pair = await startPair({ tokenTimeout: Number.POSITIVE_INFINITY });
    const [kept, plain] = [
      consume(pair.client.api.kept({ kind: "a" })),
      consume(pair.client.api.plain({ kind: "a" })),
    ];
    await pair.client.call("ping");
    await pair.publish(1, 3);
    await pair.client.refresh();
    await pair.publish(4, 6);
    await until(() => plain.events.length === 6);
    const allowToken = pair.holdTokens();
    await pair.server.clock.advance(910_000);
    const { sessions } = await pair.server.server.sessions();
    expect(sessions[0]).to.include({ state: "expired" });
    await pair.publish(7, 9);
    await pair.server.clock.advance(0);
    expect([kept.events.length, plain.events.length]).to.deep.equal([6, 6]);
    allowToken();
    await until(() => kept.events.length === 9 && plain.events.length === 9);
    expect(read(kept.events)).to.deep.equal(numbers(1, 9));
    expect(read(plain.events)).to.deep.equal(numbers(1, 9));
    expect(pair.lost).to.deep.equal([]);
  });

  it("go on after a lost connection: from history without a hole, without history after a gap", async () => {
    await using pair = await startPair();
    const kept = consume(pair.client.api.kept({ kind: "a" }, { gaps: true }));
    const plain = consume(pair.client.api.plain({ kind: "a" }, { gaps: true }));
    await pair.client.call("ping");
    await pair.publish(1, 3);
    await until(() => plain.events.length === 3);
    await pair.cut(() => pair.publish(4, 6));
    await pair.client.call("ping");
    await pair.publish(7, 9);
    await until(() => read(kept.events).at(-1) === 9 && read(plain.events).at(-1) === 9);
    expect(read(kept.events)).to.deep.equal(numbers(1, 9));
    expect(read(plain.events)).to.deep.equal([1, 2, 3, "gap", 7, 8, 9]);
  });

  it("tell one gap when more was missed than history holds", async () => {
    await using pair = await startPair();
    const kept = consume(pair.client.api.kept({ kind: "a" }, { gaps: true }));
    await pair.client.call("ping");
    await pair.publish(1);
    await until(() => kept.events.length === 1);
    await pair.cut(() => pair.publish(2, 40));
    await pair.client.call("ping");
    await pair.publish(41);
    await until(() => read(kept.events).at(-1) === 41);
    expect(read(kept.events)).to.deep.equal([1, "gap", 41]);
  });

  it("go on after a restart of the server, whose history begins anew, after one gap", async () => {
    await using pair = await startPair();
    const kept = consume(pair.client.api.kept({ kind: "a" }, { gaps: true }));
    await pair.client.call("ping");
    await pair.publish(1, 3);
    await until(() => kept.events.length === 3);
    await pair.server.restart();
    await pair.server.clock.advance(20_000);
    await pair.client.ready();
    await pair.client.call("ping");
    await pair.publish(4, 6);
    await until(() => kept.events.length === 7);
    expect(read(kept.events)).to.deep.equal([1, 2, 3, "gap", 4, 5, 6]);
  });

  it("of one topic share it on the server, until the last one leaves", async () => {
    await using pair = await startPair();
    const [first, second] = [
      pair.client.api.kept({ kind: "a" }),
      pair.client.api.kept({ kind: "a" }),
    ];
    const [got, also] = [consume(first), consume(second)];
    await pair.client.call("ping");
    await pair.publish(1, 2);
    await until(() => got.events.length === 2 && also.events.length === 2);
    await first[Symbol.asyncDispose]();
    await pair.client.call("ping");
    await pair.publish(3);
    await until(() => also.events.length === 3);
    expect(read(got.events)).to.deep.equal([1, 2]);
    await pair.cut(() => pair.publish(4, 5));
    const third = consume(pair.client.api.kept({ kind: "a" }));
    await pair.client.call("ping");
    await pair.publish(6);
    await until(() => also.events.length === 6 && third.events.length === 1);
    expect(read(also.events)).to.deep.equal(numbers(1, 6));
    expect(read(third.events)).to.deep.equal([6]);
  });

  it("end when a refresh takes their scope away, and others go on", async () => {
    await using pair = await startPair();
    const kept = consume(pair.client.api.kept({ kind: "a" }));
    const count = consume(pair.client.api.count({ to: 0 }));
    await pair.client.call("ping");
    pair.narrow();
    await pair.client.refresh();
    await until(() => kept.error !== undefined);
    expect(kept.error).to.include({ code: "subscription_ended", reason: "forbidden" });
    expect([count.isDone, count.error]).to.deep.equal([false, undefined]);
  });

  it("end with a logout", async () => {
    await using pair = await startPair();
    const kept = consume(pair.client.api.kept({ kind: "a" }));
    await pair.client.call("ping");
    await pair.client.call("logout");
    await until(() => kept.error !== undefined);
    expect(kept.error).to.include({ code: "subscription_ended", reason: "logout" });
  });

  it("of a slow consumer have a gap where events were dropped, in one order, up to the newest", async function () {
    this.timeout(20_000);
    await using pair = await startPair(
      {},
      { limits: { sendBufferBytes: 16_384, responseBytes: Number.POSITIVE_INFINITY } },
    );
    const plain = consume(pair.client.api.plain({ kind: "a" }, { gaps: true }));
    await pair.client.call("ping");
    pair.server.network.delay(Number.POSITIVE_INFINITY);
    const padding = "x".repeat(200_000);
    for (let n = 1; n <= 150; n++) {
      await pair.server.publish(pair.app.routes.plain, { kind: "a" }, { n, padding });
      await new Promise((resolve) => void setImmediate(resolve));
    }
    pair.server.network.restore();
    await until(() => read(plain.events).at(-1) === 150);
    const seen = read(plain.events);
    const holes = seen.flatMap((n, index) => {
      const before = seen[index - 1];
      return typeof n === "number" && typeof before === "number" && n !== before + 1 ? [n] : [];
    });
    expect(holes).to.deep.equal([]);
    expect(seen.filter((n) => n === "gap")).to.have.length.of.at.least(1);
    const told = seen.filter((n) => typeof n === "number");
    expect(told).to.deep.equal(told.toSorted((a, b) => a - b));
  });

  it("that were closed as slow are made again, after a gap", async function () {
    this.timeout(20_000);
    await using pair = await startPair(
      {},
      { limits: { sendBufferBytes: 16_384, responseBytes: Number.POSITIVE_INFINITY } },
    );
    const strict = consume(pair.client.api.strict({ kind: "a" }, { gaps: true }));
    await pair.client.call("ping");
    pair.server.network.delay(Number.POSITIVE_INFINITY);
    const padding = "x".repeat(200_000);
    for (let n = 1; n <= 150; n++) {
      await pair.server.publish(pair.app.routes.strict, { kind: "a" }, { n, padding });
      await new Promise((resolve) => void setImmediate(resolve));
    }
    pair.server.network.restore();
    const ended = new Promise<void>(
      (resolve) => void pair.client.on("subscription.ended", () => resolve()),
    );
    await ended;
    await pair.server.clock.advance(20_000);
    await pair.client.call("ping");
    await until(() => read(strict.events).at(-1) === "gap");
    await pair.server.publish(pair.app.routes.strict, { kind: "a" }, { n: 151 });
    await until(() => read(strict.events).at(-1) === 151);
  });
});
