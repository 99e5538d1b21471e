import { expect } from "chai";
import { z } from "zod";
import { createRpc } from "../../../src/index.js";
import { testServer } from "../../../src/testing/index.js";

const rpc = createRpc({
  scopes: ["orders:read", "orders:write"],
  notifications: { news: z.object({ text: z.string() }) },
});
const app = rpc.router({
  hello: rpc.method({ public: true, handler: () => "hello" }),
  orders: {
    list: rpc.method({ scope: "orders:read", handler: ({ auth }) => [`${auth.subject}'s`] }),
    watch: rpc.topic({
      scope: "orders:read",
      params: z.object({ shop: z.string() }),
      event: z.number(),
      key: ({ shop }) => shop,
      history: { size: 10, ttl: Number.POSITIVE_INFINITY },
    }),
  },
});

describe("A test server", () => {
  it("answers real clients, each with its own scopes", async () => {
    await using server = testServer(app);
    const ada = server.clientAs("ada", ["orders:read"]);
    const bob = server.clientAs("bob");
    expect(await ada.api.orders.list()).to.deep.equal(["ada's"]);
    await bob.api.orders.list().then(
      () => expect.fail("bob has no scope"),
      (error) => expect(error).to.include({ code: "forbidden" }),
    );
    expect(await server.client().api.hello()).to.equal("hello");
  });

  it("keeps a session through hours in less than ten seconds, over its pings and renewals", async () => {
    await using server = testServer(app);
    const tokens: string[] = [];
    const ada = server.client({
      token: ({ reason }) => {
        tokens.push(reason);
        return server.token({ subject: "ada", scopes: ["orders:read"] });
      },
    });
    const states: string[] = [];
    await ada.ready();
    ada.on("state", ({ to }) => states.push(to));
    const startedAt = performance.now();
    await server.clock.advance(3 * 3_600_000);
    expect(performance.now() - startedAt).to.be.below(10_000);
    expect(states).to.deep.equal([]);
    expect(tokens.slice(0, 2)).to.deep.equal(["connect", "refresh"]);
    expect(tokens).to.have.length.within(12, 24); // one in 900 s, and earlier than needed
    expect(await ada.api.orders.list()).to.deep.equal(["ada's"]);
  });

  it("lets a token expire to the millisecond, and not before", async () => {
    await using server = testServer(app);
    const stuck = new Promise<never>(() => {});
    let isStuck = false;
    const ada = server.client({
      token: () => (isStuck ? stuck : server.token({ scopes: ["orders:read"], expiresIn: 60_000 })),
      tokenTimeout: Number.POSITIVE_INFINITY,
    });
    await ada.ready();
    isStuck = true;
    await server.clock.advance(59_999);
    expect((await server.server.sessions()).sessions[0]).to.include({ state: "active" });
    await server.clock.advance(1);
    expect((await server.server.sessions()).sessions[0]).to.include({ state: "expired" });
    await server.clock.advance(30_000); // the grace period
    expect(server.server.connections).to.equal(0);
  });

  it("publishes to subscribers, and sends what they missed after the network was down", async () => {
    await using server = testServer(app);
    const ada = server.clientAs("ada", ["orders:read"]);
    const events = ada.api.orders.watch({ shop: "a" })[Symbol.asyncIterator]();
    await ada.ready();
    await server.clock.advance(0);
    await server.publish(app.routes.orders.watch, { shop: "a" }, 1);
    expect(await events.next()).to.deep.equal({ done: false, value: 1 });

    server.network.drop();
    await server.publish(app.routes.orders.watch, { shop: "a" }, 2);
    await server.clock.advance(120_000);
    expect(ada.state).to.equal("waiting");
    server.network.restore();
    await server.publish(app.routes.orders.watch, { shop: "a" }, 3);
    await server.clock.advance(20_000);
    expect(ada.state).to.equal("ready");
    expect(await events.next()).to.deep.equal({ done: false, value: 2 });
    expect(await events.next()).to.deep.equal({ done: false, value: 3 });
  });

  it("delays what is sent by the test's clock, in both directions and in order", async () => {
    await using server = testServer(app);
    const ada = server.clientAs("ada", ["orders:read"]);
    await ada.ready();
    server.network.delay(100);
    const answers: string[] = [];
    void ada.api.hello().then(() => answers.push("first"));
    await server.clock.advance(50);
    void ada.api.orders.list().then(() => answers.push("second"));
    await server.clock.advance(149);
    expect(answers).to.deep.equal([]);
    await server.clock.advance(1);
    expect(answers).to.deep.equal(["first"]);
    await server.clock.advance(50);
    expect(answers).to.deep.equal(["first", "second"]);
  });

  it("cuts a client that a dead link keeps from answering pings, and no other", async () => {
    await using server = testServer(app);
    const ada = server.clientAs("ada");
    await ada.ready();
    server.network.delay(Number.POSITIVE_INFINITY);
    await server.clock.advance(25_000);
    expect(server.server.connections).to.equal(1);
    await server.clock.advance(35_000);
    expect(server.server.connections).to.equal(0);
    expect(ada.state).to.equal("ready"); // it cannot know
    server.network.restore();
    await server.clock.advance(0);
    expect(ada.state).to.equal("waiting");
    await server.clock.advance(20_000);
    expect(ada.state).to.equal("ready");
    expect(server.server.connections).to.equal(1);
  });

  it("delivers more than the network holds, to a reader that comes late", async () => {
    await using server = testServer(app, {
      limits: { frameBytes: 2_000_000, responseBytes: 2_000_000 },
    });
    const ada = server.clientAs("ada");
    await ada.ready();
    server.network.delay(10);
    const big = "x".repeat(900_000);
    const echoes = [1, 2, 3].map((n) => ada.call("ping", { n, big }));
    await server.clock.advance(10_000);
    const lengths = (await Promise.all(echoes)).map((echo) => JSON.stringify(echo).length);
    expect(lengths).to.deep.equal([900_016, 900_016, 900_016]);
  });

  it("restarts, and its clients come back to the new server", async () => {
    await using server = testServer(app);
    const ada = server.clientAs("ada", ["orders:read"]);
    await ada.ready();
    const { server: old } = server;
    await server.restart();
    expect(server.server).to.not.equal(old);
    expect(old.connections).to.equal(0);
    await server.clock.advance(20_000);
    expect(server.server.connections).to.equal(1);
    expect(await ada.api.orders.list()).to.deep.equal(["ada's"]);
  });

  it("has limits per second only if a test sets them, since time stands still", async () => {
    const calls = (count: number) => Array.from({ length: count }, () => ({}));
    await using server = testServer(app);
    const ada = server.clientAs("ada", ["orders:read"]);
    for (const _ of calls(300)) await ada.api.hello();
    await Promise.all(calls(100).map((_, index) => server.clientAs(`user-${index}`).ready()));
    await using limited = testServer(app, { limits: { framesPerSecond: 5 } });
    const bob = limited.clientAs("bob");
    let answered = 0;
    for (const _ of calls(10)) void bob.call("hello").then(() => answered++);
    await limited.clock.advance(0);
    expect(answered).to.be.below(10);
    await limited.clock.advance(3_000);
    expect(answered).to.equal(10);
  });

  it("closes clients and server, also while the network is down or slow", async () => {
    for (const disturb of ["none", "drop", "delay"] as const) {
      const server = testServer(app);
      const ada = server.clientAs("ada");
      await ada.ready();
      if (disturb === "drop") server.network.drop();
      if (disturb === "delay") server.network.delay(Number.POSITIVE_INFINITY);
      const pending = ada.api.hello().catch(({ code }) => code);
      await server.close();
      expect(await pending, disturb).to.be.oneOf(["hello", "disconnected"]);
      expect(ada.state).to.equal("closed");
      expect(server.server.connections).to.equal(0);
      await server.close(); // a second time is no error
      expect(() => server.clientAs("bob")).to.throw("this test server is closed");
    }
  });

  it("says what is wrong with how it is used", async () => {
    expect(() => testServer({} as never)).to.throw(TypeError, "app is not a router");
    expect(() => testServer(app, { limit: {} } as never)).to.throw('did you mean "limits"?');
    await using server = testServer(app);
    expect(() => server.clientAs("ada", "orders:read" as never)).to.throw(
      'testToken: scopes must be a list such as ["orders:read"]',
    );
    expect(() => server.clientAs("ada", [], { time: 1 } as never)).to.throw("option time");
    expect(() => server.network.delay(-1)).to.throw("network.delay takes milliseconds from 0 up");
    const { clock } = server;
    await clock.advance(Number.NaN).then(
      () => expect.fail("NaN is no time"),
      ({ message }) =>
        expect(message).to.equal("clock.advance takes milliseconds from 0 up, not NaN"),
    );
    const first = clock.advance(10);
    await clock.advance(10).then(
      () => expect.fail("two at a time"),
      ({ message }) => expect(message).to.include("await it before the next one"),
    );
    await first;
    await clock.advance(10); // after it, it is fine
  });
});
