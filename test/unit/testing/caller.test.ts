import { expect } from "chai";
import { z } from "zod";
import { type RpcError, safe } from "../../../client/node.js";
import { createRpc } from "../../../src/index.js";
import { caller, TestClock } from "../../../src/testing/index.js";
import { rejectionOf } from "../../helpers/rejection.js";

const rpc = createRpc({
  claims: z.object({ org: z.string().optional() }).loose(),
  scopes: ["orders:read", "orders:write"],
  notifications: { "order.created": z.object({ id: z.string() }) },
});
const changes = rpc.topic({
  scope: "orders:read",
  params: z.object({ shop: z.string() }),
  event: z.object({ id: z.string() }),
  key: ({ shop }) => shop,
  authorize: ({ params, auth }) => auth.claims.org === undefined || params.shop === auth.claims.org,
});
const create = rpc.method({
  scope: "orders:write",
  params: z.object({ sku: z.string(), count: z.number().default(1) }),
  result: z.object({ id: z.string(), at: z.date() }),
  errors: { OUT_OF_STOCK: { code: 1001, data: z.object({ left: z.number() }) } },
  async handler({ params, auth, error, publish, notify, connection }) {
    if (params.count > 10) throw error.OUT_OF_STOCK({ left: 10 });
    if (params.sku === "broken") throw new RangeError("the warehouse is on fire");
    const id = `${auth.subject}-${params.sku}`;
    await publish(changes, { shop: "a" }, { id });
    await notify({ subject: "bob" }, "order.created", { id });
    connection.notify("order.created", { id });
    return { id, at: new Date(0) };
  },
});
const app = rpc.router({
  hello: rpc.method({ public: true, handler: ({ auth }) => `hello ${auth?.subject}` }),
  orders: {
    create,
    changes,
    approve: rpc.method({
      scope: "orders:write",
      stepUp: { acr: ["mfa"], maxAge: 60_000 },
      handler: () => "approved",
    }),
    mine: rpc.method({
      params: z.object({ org: z.string() }),
      authorize: ({ auth, params }) => auth.claims.org === params.org,
      handler: () => [],
    }),
    badRule: rpc.method({
      authorize: () => {
        throw new Error("no database");
      },
      handler: () => 1,
    }),
    wait: rpc.method({
      handler: ({ signal }) =>
        new Promise<string>((resolve) => signal.addEventListener("abort", () => resolve("ended"))),
    }),
    leave: rpc.method({ handler: ({ connection }) => connection.kick() }),
    block: rpc.method({ handler: ({ auth, revoke }) => revoke({ subject: auth.subject }) }),
    countdown: rpc.subscription({
      params: z.object({ from: z.number() }),
      async *handler({ params }) {
        for (let n = params.from; n > 0; n--) yield n;
        if (params.from === 3) throw new Error("no lift-off");
      },
    }),
  },
});
const clerk = { subject: "ada", scopes: ["orders:read", "orders:write"] };

describe("A caller", () => {
  it("runs handlers with validated params, and gives results as they are in JSON", async () => {
    await using ada = caller(app, clerk);
    const order = await ada.api.orders.create({ sku: "A1" });
    expect(order).to.deep.equal({ id: "ada-A1", at: "1970-01-01T00:00:00.000Z" });
    expect(await ada.call("orders.create", { sku: "A2" })).to.include({ id: "ada-A2" });
    expect(await ada.call("whoami")).to.include({ subject: "ada", state: "active" });
    const invalid = await rejectionOf(ada.api.orders.create({ sku: 1 as never }));
    expect(invalid).to.include({ code: "invalid_params", rpcCode: -32602 });
    const unknown = await rejectionOf(ada.call("orders.destroy" as "orders.wait"));
    expect(unknown).to.include({ code: "method_not_found" });
  });

  it("asks for the scopes, for the login and for the rule of the method, in this order", async () => {
    await using anybody = caller(app);
    expect(await anybody.api.hello()).to.equal("hello undefined");
    expect(await rejectionOf(anybody.api.orders.create({ sku: "A1" }))).to.include({
      code: "unauthenticated",
    });
    await using reader = caller(app, { subject: "bob", scopes: ["orders:read"] });
    expect(await reader.api.hello()).to.equal("hello bob");
    const forbidden = (await rejectionOf(reader.api.orders.create({ sku: "A1" }))) as RpcError;
    expect(forbidden.code).to.equal("forbidden");
    expect(forbidden.data).to.deep.include({ missing: ["orders:write"], executed: false });

    const clock = new TestClock();
    const claims = { acr: "mfa", auth_time: clock.now() / 1_000 };
    await using strong = caller(app, { ...clerk, claims, clock });
    expect(await strong.api.orders.approve()).to.equal("approved");
    await clock.advance(61_000);
    expect(await rejectionOf(strong.api.orders.approve())).to.include({ code: "step_up_required" });
    await using weak = caller(app, clerk);
    expect(await rejectionOf(weak.api.orders.approve())).to.include({ code: "step_up_required" });

    await using acme = caller(app, { ...clerk, claims: { org: "acme" } });
    expect(await acme.api.orders.mine({ org: "acme" })).to.deep.equal([]);
    expect(await rejectionOf(acme.api.orders.mine({ org: "other" }))).to.include({
      code: "forbidden",
    });
  });

  it("gives declared errors by their names, and what a handler threw as a cause", async () => {
    await using ada = caller(app, clerk);
    const none = await safe(ada.api.orders.create({ sku: "A1", count: 11 }));
    if (!none.ok && none.error.code === "OUT_OF_STOCK")
      expect(none.error.data.left satisfies number).to.equal(10);
    else expect.fail("not the declared error");
    const broken = await rejectionOf(ada.api.orders.create({ sku: "broken" }));
    expect(broken).to.include({ code: "internal_error" });
    expect((broken as Error).cause).to.include({ message: "the warehouse is on fire" });
    expect(((broken as Error).cause as Error).stack).to.include("caller.test.ts");
    const denied = await rejectionOf(ada.api.orders.badRule());
    expect(denied).to.include({ code: "forbidden" });
    expect((denied as Error).cause).to.include({ message: "no database" });
    expect((await safe(ada.api.orders.create({ sku: "A1" }))).ok).to.equal(true);
  });

  it("shows what handlers publish and notify, once that was checked", async () => {
    await using ada = caller(app, clerk);
    await ada.api.orders.create({ sku: "A1" });
    expect(ada.published).to.deep.equal([
      { topic: "orders.changes", params: { shop: "a" }, event: { id: "ada-A1" } },
    ]);
    expect(ada.notified).to.deep.equal([
      { target: { subject: "bob" }, name: "order.created", params: { id: "ada-A1" } },
      {
        target: { connection: "test-connection" },
        name: "order.created",
        params: { id: "ada-A1" },
      },
    ]);
    await rejectionOf(ada.api.orders.create({ sku: "A1", count: 11 }));
    expect(ada.published).to.have.length(1);
    await ada.publish(changes, { shop: "a" }, { id: "by the test" });
    expect(ada.published).to.have.length(1);
    await rejectionOf(ada.publish(changes, { shop: "a" }, { id: 5 } as never));
  });

  it("gives the events of topics, from the call on, by their rule", async () => {
    await using ada = caller(app, { ...clerk, claims: { org: "a" } });
    const events = ada.api.orders.changes({ shop: "a" })[Symbol.asyncIterator]();
    await ada.api.orders.create({ sku: "A1" });
    await ada.publish(changes, { shop: "b" }, { id: "elsewhere" });
    await ada.publish(changes, { shop: "a" }, { id: "by the test" });
    expect(await events.next()).to.deep.equal({ done: false, value: { id: "ada-A1" } });
    expect(await events.next()).to.deep.equal({ done: false, value: { id: "by the test" } });
    await events.return();
    expect(await events.next()).to.deep.equal({ done: true, value: undefined });
    const other = ada.subscribe("orders.changes", { shop: "b" })[Symbol.asyncIterator]();
    expect(await rejectionOf(other.next())).to.include({ code: "forbidden" });
  });

  it("gives the events of a generator, and why it ended", async () => {
    await using ada = caller(app, clerk);
    const seen: number[] = [];
    for await (const n of ada.api.orders.countdown({ from: 2 })) seen.push(n);
    expect(seen).to.deep.equal([2, 1]);
    const failing = ada.api.orders.countdown({ from: 3 })[Symbol.asyncIterator]();
    for (const n of [3, 2, 1]) expect(await failing.next()).to.deep.include({ value: n });
    const ended = await rejectionOf(failing.next());
    expect(ended).to.include({ code: "subscription_ended", reason: "error" });
    expect((ended as Error).cause).to.include({ message: "no lift-off" });
    const stop = new AbortController();
    const aborted = ada.subscribe("orders.countdown", { from: 9 }, { signal: stop.signal });
    stop.abort();
    expect(await rejectionOf(aborted[Symbol.asyncIterator]().next())).to.include({
      code: "aborted",
    });
  });

  it("stops to wait at the signal, at a timeout and at the deadline of the method", async () => {
    const clock = new TestClock();
    await using ada = caller(app, { ...clerk, clock });
    const stop = new AbortController();
    const aborted = rejectionOf(ada.api.orders.wait(undefined, { signal: stop.signal }));
    await clock.advance(0);
    stop.abort();
    expect(await aborted).to.include({ code: "aborted" });
    const late = rejectionOf(ada.api.orders.wait(undefined, { timeout: 1_000 }));
    await clock.advance(1_000);
    expect(await late).to.include({ code: "timeout" });
    const deadline = rejectionOf(ada.api.orders.wait());
    await clock.advance(30_000); // limits.requestTimeout
    expect(await deadline).to.include({ code: "timeout", rpcCode: -32008 });
  });

  it("loses its session as a client does: expired, revoked, kicked, closed", async () => {
    const clock = new TestClock();
    await using ada = caller(app, { ...clerk, expiresIn: 60_000, clock });
    await clock.advance(59_999);
    expect(await ada.api.hello()).to.equal("hello ada");
    await clock.advance(1);
    expect(await rejectionOf(ada.api.orders.mine({ org: "a" }))).to.include({
      code: "token_expired",
    });
    await using bob = caller(app, { subject: "bob" });
    const pending = rejectionOf(bob.api.orders.wait());
    await bob.api.orders.leave();
    expect(await pending).to.include({ code: "disconnected", reason: "kicked" });
    expect(await rejectionOf(bob.api.hello())).to.include({ reason: "kicked" });
    await using eve = caller(app, { subject: "eve" });
    await eve.api.orders.block().catch(() => {});
    expect(await rejectionOf(eve.api.orders.mine({ org: "a" }))).to.include({
      reason: "token_revoked",
    });
    const zoe = caller(app, { subject: "zoe" });
    const events = zoe.api.orders.countdown({ from: 1e9 })[Symbol.asyncIterator]();
    await events.next();
    await zoe.close();
    await zoe.close(); // a second time is no error
    expect(await rejectionOf(zoe.api.hello())).to.include({ reason: "bye" });
  });

  it("says what is wrong with how it is made", async () => {
    expect(() => caller({} as never)).to.throw(TypeError, "app is not a router");
    expect(() => caller(app, { scopes: ["orders:read"] })).to.throw(
      TypeError,
      "scopes belong to a user: give a subject, too",
    );
    expect(() => caller(app, { subject: "ada", scope: ["a"] } as never)).to.throw(
      'did you mean "scopes"?',
    );
    await using wrong = caller(app, { subject: "ada", claims: { org: 5 } });
    const refused = await rejectionOf(wrong.api.hello());
    expect(refused).to.be.instanceOf(TypeError);
    expect((refused as Error).message).to.match(/no such user: .*schema: org: /);
  });
});
