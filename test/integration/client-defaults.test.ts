import { expect } from "chai";
import { describe, it } from "mocha";
import { z } from "zod";
import { type Client, type ClientOptions, createClient, safe } from "../../client/node.js";
import { createRpc } from "../../src/index.js";
import { defaultConnectionLimits, openBatchLength } from "../../src/protocol/connection-limits.js";
import { defaultLimits } from "../../src/server/limits.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { startServer, type TestServer } from "../helpers/server/test-server.js";

const { frameBytes, batchLength, requestsInFlight, subscriptions, responseBytes } =
  defaultConnectionLimits;
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

/** Methods that take 20 ms, so that they are in flight together, and topics without end. */
function app(clock: ManualClock) {
  const rpc = createRpc({ scopes: ["all"] });
  let most = 0;
  let running = 0;
  const turn = async <Value>(value: Value): Promise<Value> => {
    most = Math.max(most, ++running);
    await new Promise<void>((resolve) => void clock.after(20, resolve));
    running--;
    return value;
  };
  const router = rpc.router({
    echo: rpc.method({ handler: ({ params }) => turn(params) }),
    open: rpc.method({ public: true, handler: ({ params }) => turn(params) }),
    large: rpc.method({
      params: z.object({ bytes: z.number() }),
      handler: ({ params }) => "x".repeat(params.bytes),
    }),
    watch: rpc.topic({
      params: z.object({ n: z.number() }).refine(() => turn(true)),
      event: z.number(),
      key: ({ n }) => `topic:${n}`,
      history: { size: 10, ttl: 60_000 },
    }),
  });
  return { router, most: () => most };
}

/** A server and a client as they come, but for the clock. */
async function start(options: Partial<ClientOptions> = {}) {
  const clock = new ManualClock();
  const { router, most } = app(clock);
  const servers = [
    await startServer(router, { clock, limits: { pingInterval: Number.POSITIVE_INFINITY } }),
  ];
  const server = () => servers.at(-1) as TestServer;
  const token = () => server().token({ iat: Math.floor(clock.now() / 1_000) });
  const client = createClient({ url: () => server().url, testing: { clock }, token, ...options });
  return {
    router,
    clock,
    client,
    server,
    most,
    /**
     * Lets time pass until `promise` is settled, a tenth of a second each time that nothing else
     * happens.
     */
    async over<Value>(promise: Promise<Value>): Promise<Value> {
      let isSettled = false;
      const settled = () => {
        isSettled = true;
      };
      promise.then(settled, settled);
      while (!isSettled) {
        clock.advance(100);
        for (const _ of range(5)) await new Promise((resolve) => void setImmediate(resolve));
      }
      return promise;
    },
    /** Another server in place of this one, which serves on until `old` is closed. */
    async replace() {
      const old = server();
      servers.push(
        await startServer(router, { clock, limits: { pingInterval: Number.POSITIVE_INFINITY } }),
      );
      return old;
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      for (const one of servers) await one.close();
    },
  };
}

const names = (client: Client, count: number) =>
  range(count).map((n) => client.call("echo", { n }));

describe("The defaults of both ends", () => {
  it("stand in one table", () => {
    expect(defaultLimits).to.include({
      frameBytes,
      responseBytes,
      subscriptions,
      batchLength,
      requestsInFlight,
    });
  });

  it("fit for hundreds of calls at once, of which none is refused, and those in flight are as many as may be", async () => {
    await using pair = await start();
    const { client, over, most } = pair;
    const early = names(client, 300);
    expect(await over(Promise.all(early))).to.deep.equal(range(300).map((n) => ({ n })));
    expect(await over(Promise.all(names(client, 300)))).to.have.length(300);
    expect(most()).to.equal(requestsInFlight);
  });

  it("fit for calls that are made while there is no connection, as many as the queue takes", async () => {
    await using pair = await start();
    const { client, over, server } = pair;
    await over(client.ready());
    await server().close();
    const waiting = names(client, 1_024).map((call) => safe(call));
    const tooMany = await safe(client.call("echo"));
    expect(tooMany).to.have.nested.property("error.code", "queue_full");
    await pair.replace();
    const outcomes = await over(Promise.all(waiting));
    expect(outcomes.filter(({ ok }) => !ok)).to.deep.equal([]);
  });

  it("lose no call in restarts with 20 calls a second", async () => {
    await using pair = await start({ timeout: 60_000 });
    const { client, clock } = pair;
    await pair.over(client.ready());
    const outcomes: ReturnType<typeof safe>[] = [];
    const turn = async () => {
      outcomes.push(safe(client.call("echo", { n: outcomes.length })));
      clock.advance(50);
      for (const _ of range(4)) await new Promise((resolve) => void setImmediate(resolve));
    };
    for (const _ of range(2)) {
      for (const __ of range(40)) await turn();
      const closed = pair.server().server.close({ drain: 1_000 });
      for (const __ of range(120)) await turn(); // 6 s without a server
      await closed;
      await pair.replace();
      for (const __ of range(280)) await turn();
    }
    const settled = await pair.over(Promise.all(outcomes));
    expect(settled.filter(({ ok }) => !ok)).to.deep.equal([]);
    expect(settled).to.have.length(880);
  });

  it("fit for a batch of any length, which is answered in the order of its calls", async () => {
    await using pair = await start();
    const results = await pair.over(
      pair.client.batch((api) => range(3 * batchLength + 1).map((n) => api.echo?.({ n }))),
    );
    expect(results).to.deep.equal(range(3 * batchLength + 1).map((n) => ({ n })));
  });

  it("fit for batches and calls without a session", async () => {
    await using pair = await start({ token: null });
    const { client, over } = pair;
    const batch = client.batch((api) =>
      range(5 * openBatchLength + 1).map((n) => api.open?.({ n })),
    );
    const calls = range(60).map((n) => client.call("open", { n })); // at 20 a second
    expect(await over(batch)).to.have.length(5 * openBatchLength + 1);
    expect(await over(Promise.all(calls))).to.deep.equal(range(60).map((n) => ({ n })));
  });

  it("agree on the largest frame to the byte: the call that is larger is rejected, and nothing else happens", async () => {
    await using pair = await start();
    const { client, over } = pair;
    await over(client.ready());
    const { connectionId } = client.session ?? {};
    const around = Buffer.byteLength(
      JSON.stringify({ jsonrpc: "2.0", id: 1, method: "echo", params: { text: "" } }),
    );
    const fits = client.call("echo", { text: "x".repeat(frameBytes - around) });
    const small = client.call("echo", { n: 1 });
    const tooLarge = await safe(
      client.call("echo", { text: `${"x".repeat(frameBytes - around - 1)}é` }),
    );
    expect(tooLarge).to.have.nested.property("error.code", "too_large");
    expect(tooLarge).to.have.nested.property("error.sent", "no");
    expect(await over(Promise.all([fits, small]))).to.have.length(2);
    expect(client.session?.connectionId).to.equal(connectionId);
  });

  it("agree on the largest response", async () => {
    await using pair = await start();
    const { client, over } = pair;
    const around = Buffer.byteLength(JSON.stringify({ jsonrpc: "2.0", id: 9, result: "" }));
    expect(await over(client.call("large", { bytes: responseBytes - around }))).to.have.length(
      responseBytes - around,
    );
    const tooLarge = await over(safe(client.call("large", { bytes: responseBytes + 1 })));
    expect(tooLarge).to.have.nested.property("error.rpcCode", -32010);
  });

  it("agree on the subscriptions, which all come back over a restart; the one too many is told so at once", async () => {
    await using pair = await start();
    const { client, over, router } = pair;
    const iterators = range(subscriptions).map((n) =>
      client.subscribe("watch", { n })[Symbol.asyncIterator](),
    );
    const received = (value: number) =>
      over(Promise.all(iterators.map((iterator) => iterator.next()))).then((all) =>
        expect(all.every((one) => one.value === value)).to.equal(true),
      );
    const publish = (value: number) =>
      over(
        Promise.all(
          range(subscriptions).map((n) =>
            pair.server().server.publish(router.routes.watch, { n }, value),
          ),
        ),
      );
    await over(client.call("echo"));
    await publish(1);
    await received(1);
    const oneMore = await over(
      safe(client.subscribe("watch", { n: -1 })[Symbol.asyncIterator]().next() as never),
    );
    expect(oneMore).to.have.nested.property("error.code", "overloaded");
    const old = await pair.replace();
    await old.close();
    await over(client.ready());
    await over(client.call("echo"));
    await publish(2);
    await received(2);
  });
});
