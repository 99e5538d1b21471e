import { expect } from "chai";
import { z } from "zod";
import { createClient, safe } from "../../../client/index.js";
import { mockServer } from "../../../client/mock/index.js";
import { createRpc } from "../../../src/index.js";
import { eventually } from "../../helpers/eventually.js";
import { rejectionOf } from "../../helpers/rejection.js";

const rpc = createRpc({ notifications: { news: z.object({ text: z.string() }) } });
/** A front end knows no more of its server than the type of this. */
const app = rpc.router({
  orders: {
    list: rpc.method({ result: z.array(z.object({ id: z.string() })), handler: () => [] }),
    create: rpc.method({
      params: z.object({ sku: z.string() }),
      errors: { OUT_OF_STOCK: { code: 1001, data: z.object({ left: z.number() }) } },
      handler: () => ({ id: "o1", at: new Date() }),
    }),
  },
  prices: rpc.topic({
    params: z.object({ symbol: z.string() }),
    event: z.number(),
    key: ({ symbol }) => symbol,
  }),
  countdown: rpc.subscription({
    params: z.object({ from: z.number() }),
    event: z.number(),
    async *handler() {},
  }),
});
type App = typeof app;

const connect = (
  server: ReturnType<typeof mockServer<App>>,
  options: { token?: () => string } = {},
) => createClient<App>({ url: server.url, WebSocket: server.WebSocket, ...options });

describe("A mock server", () => {
  it("answers methods with what a test gives, and keeps their calls", async () => {
    await using server = mockServer<App>({
      "orders.list": () => [{ id: "o1" }],
      "orders.create": async ({ sku }) => ({ id: sku, at: "1970-01-01T00:00:00.000Z" }),
    });
    await using client = connect(server);
    expect(await client.api.orders.list()).to.deep.equal([{ id: "o1" }]);
    expect(await client.api.orders.create({ sku: "A1" })).to.include({ id: "A1" });
    const both = await client.batch((api) => [api.orders.list(), api.orders.create({ sku: "B" })]);
    expect(both[1].id).to.equal("B");
    expect(await client.call("ping", { n: 1 })).to.deep.equal({ n: 1 });
    expect(server.calls.slice(0, 2)).to.deep.equal([
      { method: "orders.list", params: undefined },
      { method: "orders.create", params: { sku: "A1" } },
    ]);
  });

  it("answers with declared errors, with jotwire's own, and -32601 for what it does not know", async () => {
    await using server = mockServer<App>({
      "orders.create": ({ sku }, { error }) => {
        if (sku === "none") throw error("OUT_OF_STOCK", { left: 2 });
        if (sku === "secret") throw error("forbidden", { missing: ["orders:write"] });
        throw new Error("a mistake in the test");
      },
    });
    await using client = connect(server);
    const none = await safe(client.api.orders.create({ sku: "none" }));
    if (!none.ok && none.error.code === "OUT_OF_STOCK")
      expect(none.error.data.left satisfies number).to.equal(2);
    else expect.fail("not the declared error");
    const forbidden = await rejectionOf(client.api.orders.create({ sku: "secret" }));
    expect(forbidden).to.include({ code: "forbidden", rpcCode: -32003, sent: "no" });
    const broken = await rejectionOf(client.api.orders.create({ sku: "any" }));
    expect(broken).to.deep.include({
      code: "internal_error",
      data: { hint: "the mock threw: a mistake in the test" },
    });
    const unknown = await rejectionOf(client.api.orders.list());
    expect(unknown).to.deep.include({
      code: "method_not_found",
      rpcCode: -32601,
      data: { hint: 'the mock server has no "orders.list"' },
    });
  });

  it("is fed the events of subscriptions: at first, by a generator, and one by one", async () => {
    await using server = mockServer<App>({
      prices: [41],
      async *countdown({ from }) {
        for (let n = from; n > 0; n--) yield n;
      },
    });
    await using client = connect(server);
    const seen: number[] = [];
    for await (const n of client.api.countdown({ from: 3 })) seen.push(n);
    expect(seen).to.deep.equal([3, 2, 1]);

    const gold = client.api.prices({ symbol: "XAU" })[Symbol.asyncIterator]();
    const silver = client.api.prices({ symbol: "XAG" })[Symbol.asyncIterator]();
    expect((await gold.next()).value).to.equal(41);
    expect((await silver.next()).value).to.equal(41);
    server.emit("prices", 42, ({ symbol }) => symbol === "XAU");
    server.emit("prices", 43);
    expect((await gold.next()).value).to.equal(42);
    expect((await gold.next()).value).to.equal(43);
    expect((await silver.next()).value).to.equal(43);
    server.end("prices", "forbidden");
    expect(await rejectionOf(gold.next())).to.include({
      code: "subscription_ended",
      reason: "forbidden",
    });
  });

  it("takes every token, notifies, and ends what a client unsubscribes", async () => {
    const returned: string[] = [];
    await using server = mockServer<App>(
      {
        async *countdown() {
          try {
            for (;;) {
              yield 1;
              await new Promise((resolve) => setTimeout(resolve, 1));
            }
          } finally {
            returned.push("ended");
          }
        },
      },
      { subject: "ada", scopes: ["orders:read"] },
    );
    await using client = connect(server, { token: () => "any" });
    await client.ready();
    expect(client.session).to.include({ subject: "ada" });
    expect(await client.call("whoami")).to.deep.include({
      state: "active",
      scopes: ["orders:read"],
    });
    await client.refresh();
    const news = new Promise((resolve) => client.on("news", resolve));
    server.notify("news", { text: "hello" });
    expect(await news).to.deep.equal({ text: "hello" });
    for await (const _ of client.api.countdown({ from: 1 })) break;
    await eventually(() => expect(returned).to.deep.equal(["ended"]));
  });

  it("loses its connections when a test drops them, until it is restored", async () => {
    await using server = mockServer<App>({ "orders.list": () => [], prices: [1] });
    await using client = createClient<App>({
      url: server.url,
      WebSocket: server.WebSocket,
      backoff: { min: 1, max: 5 },
    });
    const prices = client.api.prices({ symbol: "XAU" })[Symbol.asyncIterator]();
    expect((await prices.next()).value).to.equal(1);
    server.drop();
    const late = await rejectionOf(client.call("orders.list", undefined, { timeout: 50 }));
    expect(late).to.include({ code: "timeout" });
    expect((late.cause as Error | undefined) ?? late).to.be.instanceOf(Error);
    server.restore();
    expect(await client.api.orders.list()).to.deep.equal([]);
    expect((await prices.next()).value).to.equal(1); // subscribed again
    await server.close();
    server.emit("prices", 5);
  });

  it("says what is wrong with how it is made, to the compiler and at run time", () => {
    // @ts-expect-error there is no such method
    mockServer<App>({ "orders.lost": () => [] });
    // @ts-expect-error a result of another type
    mockServer<App>({ "orders.list": () => [{ id: 5 }] });
    // @ts-expect-error an event of another type
    mockServer<App>({ prices: ["41"] });
    expect(() => mockServer<App>({ "orders.list": 5 as never })).to.throw(
      TypeError,
      "mockServer: orders.list must be a function, or for a subscription a list of events",
    );
  });
});
