import { expect } from "chai";
import { describe, it } from "mocha";
import type { Limits } from "../../src/index.js";
import { expectError } from "../helpers/server/expected.js";
import { ask, type Frame, leftovers, resultOf, told } from "../helpers/server/frames.js";
import { feedApp } from "../helpers/server/generator-app.js";
import type { RawClient } from "../helpers/server/raw-client.js";
import { startTimed } from "../helpers/server/timed-server.js";

const started = async (limits: Partial<Limits> = {}) => {
  const feed = feedApp();
  const server = await startTimed(feed.app, { limits });
  const publish = (symbol: string, price: number) =>
    server.server.publish(feed.app.routes.prices, { symbol }, { price });
  const tick = (symbol: string, price: number) =>
    server.server.publish(feed.app.routes.ticks, { symbol }, { price });
  return {
    ...server,
    ...feed,
    publish,
    tick,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
};

type Event = {
  readonly subscription: string;
  readonly offset?: number;
  readonly gap?: true;
  readonly data: unknown;
};

const event = async (client: RawClient) =>
  (await told(client, "subscription.event")) as unknown as Event;
const ended = (client: RawClient) => told(client, "subscription.ended");
const methodsOf = (frames: readonly { readonly method?: string }[]) =>
  frames.map(({ method }) => method);
const reader = { scope: "read" };

describe("Protocol §5, subscriptions", () => {
  it("a subscription is a method: its call answers with an id, and its events follow, in order, until it has completed", async () => {
    await using server = await started();
    const client = await server.login();
    const { subscription } = await resultOf(client, "count", { to: 3 });
    expect(subscription).to.be.a("string").and.not.equal("");
    for (const data of [1, 2, 3]) expect(await event(client)).to.deep.equal({ subscription, data });
    expect(await ended(client)).to.deep.equal({ subscription, reason: "completed" });
    expect((await ask(client, "unsubscribe", { subscription })).result).to.deep.equal({
      ok: false,
    });
  });

  it("every answer to a subscription's call is marked as one, in a batch too, and no method's result ever", async () => {
    await using server = await started();
    const client = await server.login(reader);
    const { epoch } = await resultOf(client, "prices", { symbol: "A" });
    for (const [method, params] of [
      ["count", { to: 0 }],
      ["ticks", { symbol: "A" }],
      ["ticks", { symbol: "A" }],
      ["prices", { symbol: "A", $since: { epoch, offset: 0 } }],
    ] as const) {
      const answer = await resultOf(client, method, params);
      expect(answer, method).to.include({ $subscription: true });
    }
    for (const isLate of [false, true])
      expect(await resultOf(client, "relay", { isLate })).to.deep.equal({
        subscription: "ticks:A",
        price: 1,
      });
    client.send([
      { jsonrpc: "2.0", id: "s", method: "twins", params: { symbol: "B" } },
      { jsonrpc: "2.0", id: "m", method: "relay", params: { isLate: true } },
    ]);
    const batch = await client.next<readonly Frame[]>();
    expect(batch.map(({ result }) => result)).to.deep.equal([
      { subscription: "ticks:B", $subscription: true },
      { subscription: "ticks:A", price: 1 },
    ]);
  });

  it("each call of a generator is a subscription of its own", async () => {
    await using server = await started();
    const client = await server.login(reader);
    const one = await resultOf(client, "watch");
    const two = await resultOf(client, "watch");
    expect(one.subscription).to.not.equal(two.subscription);
    expect(server.faucet.begun).to.equal(2);
  });

  it("a topic's id is its name, and one event reaches every subscriber as the same frame", async () => {
    await using server = await started();
    const clients = await Promise.all([
      server.login(reader),
      server.login(reader),
      server.login(reader),
    ]);
    for (const client of clients)
      expect(await resultOf(client, "ticks", { symbol: "A" })).to.deep.equal({
        subscription: "ticks:A",
        $subscription: true,
      });
    await server.tick("A", 1);
    await server.tick("B", 2);
    const texts = await Promise.all(clients.map((client) => client.nextText()));
    expect(new Set(texts).size).to.equal(1);
    expect(JSON.parse(texts[0] ?? "").params).to.deep.equal({
      subscription: "ticks:A",
      data: { price: 1 },
    });
    for (const client of clients)
      expect(await leftovers(client), "of another topic").to.deep.equal([]);
  });

  it("no event comes before the response, also when the response waits for the rest of its batch", async () => {
    await using server = await started();
    const client = await server.login(reader);
    const request = (id: number, method: string, params?: object) => ({
      jsonrpc: "2.0",
      id,
      method,
      ...(params && { params }),
    });
    client.send([
      request(1, "ticks", { symbol: "A" }),
      request(2, "count", { to: 1 }),
      request(3, "slow"),
    ]);
    await ask(client, "echo");
    await server.tick("A", 1);
    await server.tick("A", 2);
    expect(await leftovers(client)).to.deep.equal([]);
    server.slowCalls[0]?.();
    expect(await client.next<unknown[]>()).to.have.length(3);
    const events = [await event(client), await event(client), await event(client)];
    expect(
      events.filter(({ subscription }) => subscription === "ticks:A").map(({ data }) => data),
    ).to.deep.equal([{ price: 1 }, { price: 2 }]);
    expect(events.filter(({ data }) => data === 1)).to.have.length(1);
  });

  it("a notification subscribes to nothing, and an auth error comes before the application runs", async () => {
    await using server = await started();
    const client = await server.login();
    client.send({ jsonrpc: "2.0", method: "ticks", params: { symbol: "A" } });
    expectError(await ask(client, "watch"), "forbidden", { required: ["read"] });
    await server.tick("A", 1);
    expect(await leftovers(client)).to.deep.equal([]);
    expect(server.faucet.begun).to.equal(0);
    expect(
      (await server.server.sessions()).sessions.map(({ subscriptions }) => subscriptions),
    ).to.deep.equal([0]);
    const open = await server.connect();
    expectError(await ask(open, "ticks", { symbol: "A" }), "unauthenticated");
  });

  it("a subscription whose response does not fit its batch has not begun, and one whose does has", async () => {
    await using server = await started({ responseBytes: 200 });
    const client = await server.login(reader);
    const call = (id: number, method: string, params: object) => ({
      jsonrpc: "2.0",
      id,
      method,
      params,
    });
    client.send([
      call(1, "echo", { text: "x".repeat(140) }),
      call(2, "ticks", { symbol: "A" }),
      call(3, "watch", {}),
    ]);
    const answers = await client.next<Frame[]>();
    expect(answers.map(({ error }) => error?.data?.reason)).to.deep.equal([
      undefined,
      "too_large",
      "too_large",
    ]);
    client.send([call(4, "ticks", { symbol: "B" })]);
    expect(await client.next<Frame[]>()).to.have.nested.property(
      "[0].result.subscription",
      "ticks:B",
    );
    for (const symbol of ["A", "B"]) await server.tick(symbol, 1);
    expect((await leftovers(client)).map(({ params }) => params?.subscription)).to.deep.equal([
      "ticks:B",
    ]);
    expect(server.faucet.begun).to.equal(0);
    expect(
      (await server.server.sessions()).sessions.map(({ subscriptions }) => subscriptions),
    ).to.deep.equal([1]);
  });

  it("params that don't fit are -32602, and $since is no member of them", async () => {
    await using server = await started();
    const client = await server.login(reader);
    for (const params of [{}, { symbol: 1 }, { symbol: "A", other: 1 }]) {
      expect((await ask(client, "prices", params)).error?.code).to.equal(-32602);
    }
    for (const $since of [
      1,
      "x",
      {},
      { epoch: 1, offset: 1 },
      { epoch: "e", offset: -1 },
      { epoch: "e", offset: 1.5 },
      [],
    ]) {
      expect(
        (await ask(client, "prices", { symbol: "A", $since })).error?.code,
        JSON.stringify($since),
      ).to.equal(-32602);
    }
    expect(
      (await ask(client, "prices", { symbol: "A", $since: { epoch: "e", offset: 1 } })).result,
    ).to.include({ recovered: false });
  });

  it("a topic whose name is too long for an id is -32602; one that names nothing is the application's fault", async () => {
    await using server = await started();
    const client = await server.login();
    expect((await ask(client, "ticks", { symbol: "x".repeat(300) })).error?.code).to.equal(-32602);
    expect((await ask(client, "nameless")).error?.code).to.equal(-32603);
  });

  it("history: events carry offsets, the answer says where the topic stands", async () => {
    await using server = await started();
    await server.publish("A", 1);
    const client = await server.login(reader);
    const { epoch, ...rest } = await resultOf(client, "prices", { symbol: "A" });
    expect(epoch).to.be.a("string").and.not.equal("");
    expect(rest).to.deep.equal({ subscription: "prices:A", $subscription: true, offset: 1 });
    await server.publish("A", 2);
    expect(await event(client)).to.deep.equal({
      subscription: "prices:A",
      offset: 2,
      data: { price: 2 },
    });
  });

  it("$since: all that was missed follows in order, or nothing of it", async () => {
    await using server = await started();
    const first = await server.login(reader);
    const { epoch } = await resultOf(first, "prices", { symbol: "A" });
    await first.close();
    for (const price of [1, 2, 3, 4]) await server.publish("A", price);
    for (const [since, recovered, offsets] of [
      [4, true, []],
      [3, true, [4]],
      [1, true, [2, 3, 4]],
      [0, false, []], // the history has room for three
      [5, false, []],
    ] as const) {
      const client = await server.login(reader);
      const result = await resultOf(client, "prices", {
        symbol: "A",
        $since: { epoch, offset: since },
      });
      expect(result).to.deep.equal({
        subscription: "prices:A",
        $subscription: true,
        epoch,
        offset: 4,
        recovered,
      });
      for (const offset of offsets)
        expect(await event(client)).to.deep.equal({
          subscription: "prices:A",
          offset,
          data: { price: offset },
        });
      expect(await leftovers(client)).to.deep.equal([]);
      await client.close();
    }
    const other = await server.login(reader);
    const result = await resultOf(other, "prices", {
      symbol: "A",
      $since: { epoch: "another", offset: 4 },
    });
    expect(result).to.include({ recovered: false });
  });

  it("what is older than the topic's ttl is not recovered", async () => {
    await using server = await started();
    const client = await server.login(reader);
    const { epoch } = await resultOf(client, "prices", { symbol: "A" });
    await server.publish("A", 1);
    server.clock.advance(60_000);
    await server.publish("A", 2);
    const late = await server.login(reader);
    expect(
      await resultOf(late, "prices", { symbol: "A", $since: { epoch, offset: 0 } }),
    ).to.include({ recovered: false });
    expect(
      await resultOf(late, "prices", { symbol: "A", $since: { epoch, offset: 1 } }),
    ).to.include({ recovered: true });
    expect(await event(late)).to.include({ offset: 2 });
  });

  it("subscribing twice to a topic on one connection delivers once, and one unsubscribe ends it", async () => {
    await using server = await started();
    const client = await server.login(reader);
    const first = await resultOf(client, "prices", { symbol: "A" });
    expect(await resultOf(client, "prices", { symbol: "A" })).to.deep.equal(first);
    await server.publish("A", 1);
    expect(await event(client)).to.include({ offset: 1 });
    expect(await leftovers(client)).to.deep.equal([]);
    const { epoch } = first;
    const again = await resultOf(client, "prices", { symbol: "A", $since: { epoch, offset: 0 } });
    expect(again).to.include({ recovered: true });
    expect(await event(client), "replayed").to.include({ offset: 1 });
    await server.publish("A", 2);
    expect(await event(client)).to.include({ offset: 2 });
    expect((await ask(client, "unsubscribe", ["prices:A"])).result).to.deep.equal({ ok: true });
    await server.publish("A", 3);
    expect(await leftovers(client)).to.deep.equal([]);
  });

  it("one id names one topic: another route's topic of the same name is refused, and hears nothing of it", async () => {
    await using server = await started();
    const client = await server.login();
    await resultOf(client, "ticks", { symbol: "A" });
    expect((await ask(client, "twins", { symbol: "A" })).error?.code).to.equal(-32600);
    const other = await server.login();
    await resultOf(other, "twins", { symbol: "A" });
    await server.tick("A", 1);
    expect(await event(client)).to.include({ subscription: "ticks:A" });
    expect(await leftovers(other)).to.deep.equal([]);
  });

  it("unsubscribe is answered, and no event follows, not even one of the same turn", async () => {
    await using server = await started();
    const client = await server.login(reader);
    await resultOf(client, "ticks", { symbol: "A" });
    const { subscription } = await resultOf(client, "watch");
    const published = server.tick("A", 1);
    expect((await ask(client, "unsubscribe", { subscription: "ticks:A" })).result).to.deep.equal({
      ok: true,
    });
    await published;
    expect((await ask(client, "unsubscribe", { subscription })).result).to.deep.equal({ ok: true });
    expect(server.faucet.signal?.aborted).to.equal(true);
    server.faucet.give(1);
    await server.tick("A", 2);
    expect(await leftovers(client)).to.deep.equal([]);
    expect(server.faucet.over, "the generator was left").to.equal(1);
    expect((await ask(client, "unsubscribe", { subscription: "ticks:A" })).result).to.deep.equal({
      ok: false,
    });
    expect((await ask(client, "unsubscribe", {})).error?.code).to.equal(-32602);
  });

  it("a generator that throws ends with `error`: the declared error's code, or -32603 and a line in the log", async () => {
    await using server = await started();
    const client = await server.login(reader);
    const { subscription: declared } = await resultOf(client, "broken");
    expect(await event(client)).to.include({ data: 1 });
    expect(await ended(client)).to.deep.equal({
      subscription: declared,
      reason: "error",
      code: 1404,
    });
    const { subscription } = await resultOf(client, "watch");
    server.faucet.fail(new Error("a secret of the implementation"));
    expect(await ended(client)).to.deep.equal({ subscription, reason: "error", code: -32603 });
    expect(
      server.log.filter(({ level }) => level === "error").map(({ fields }) => fields.event),
    ).to.deep.equal(["subscription.fail"]);
    const { subscription: wrong } = await resultOf(client, "count", { to: 4 });
    for (const data of [1, 2, 3]) expect(await event(client)).to.include({ data });
    expect(await ended(client), "an event that does not fit its schema").to.deep.equal({
      subscription: wrong,
      reason: "error",
      code: -32603,
    });
  });

  it("at most 128 subscriptions, or as many as limits.subscriptions says: the next one is -32009, and not temporary", async () => {
    await using server = await started({ subscriptions: 3 });
    const client = await server.login(reader);
    for (const symbol of ["A", "B"]) await resultOf(client, "ticks", { symbol });
    const { subscription } = await resultOf(client, "watch");
    for (const [method, params] of [
      ["ticks", { symbol: "C" }],
      ["watch", {}],
    ] as const) {
      expectError(await ask(client, method, params), "overloaded", {
        temporary: false,
        action: "stop",
      });
    }
    expect((await ask(client, "ticks", { symbol: "A" })).result, "one that is there").to.deep.equal(
      { subscription: "ticks:A", $subscription: true },
    );
    await ask(client, "unsubscribe", { subscription });
    expect((await ask(client, "ticks", { symbol: "C" })).result).to.deep.equal({
      subscription: "ticks:C",
      $subscription: true,
    });
  });

  it("at most 256 calls of subscriptions in a second, or as many as limits.subscribeCallsPerSecond says: the next one is -32029", async () => {
    for (const [limits, most] of [
      [{}, 256],
      [{ subscribeCallsPerSecond: 3 }, 3],
    ] as const) {
      await using server = await started(limits);
      const client = await server.login(reader);
      for (let n = 0; n < most; n++)
        expect(await ask(client, "ticks", { symbol: "A" })).to.have.property("result");
      expectError(await ask(client, "ticks", { symbol: "A" }), "rate_limited", { retryAfter: 1 });
      expectError(await ask(client, "count", { to: 1 }), "rate_limited", { retryAfter: 1 });
      expect(
        (await ask(client, "unsubscribe", { subscription: "ticks:A" })).result,
        "to leave is no call",
      ).to.deep.equal({ ok: true });
      expect(
        await ask(await server.login(reader), "ticks", { symbol: "A" }),
        "another connection",
      ).to.have.property("result");
      server.clock.advance(1_000);
      expect(await ask(client, "ticks", { symbol: "A" })).to.have.property("result");
    }
  });

  it("a topic that is subscribed to again with $since is not replayed twice, nor loses an event, whichever place comes first", async () => {
    for (const places of [
      [1, 1, 1],
      [0, 2],
      [2, 0],
      [3, 0, 1, 0],
    ]) {
      await using server = await started();
      for (let price = 1; price <= 3; price++) await server.publish("A", price);
      const client = await server.login(reader);
      const { epoch } = await resultOf(client, "prices", { symbol: "B" });
      const call = (offset: number, id: number) => ({
        jsonrpc: "2.0",
        id,
        method: "prices",
        params: { symbol: "A", $since: { epoch, offset } },
      });
      client.send(places.map(call)); // none is answered before all have begun
      const answers = await client.next<Frame[]>();
      for (const { result } of answers)
        expect(result).to.deep.equal({
          subscription: "prices:A",
          $subscription: true,
          epoch,
          offset: 3,
          recovered: true,
        });
      const first = Math.min(...places);
      for (let offset = first + 1; offset <= 3; offset++)
        expect(await event(client), String(places)).to.include({ offset });
      await server.publish("A", 4);
      expect(await event(client)).to.include({ offset: 4 });
      expect(await leftovers(client)).to.deep.equal([]);
      client.send(call(2, 1));
      expect(
        (await client.next<Frame>()).result,
        "all of it was sent: it is asked for once more",
      ).to.include({ recovered: true });
      for (let offset = 3; offset <= 4; offset++)
        expect(await event(client)).to.include({ offset });
      expect(await leftovers(client)).to.deep.equal([]);
    }
  });

  it("authorize judges claims and params together, at the call and at every refresh", async () => {
    await using server = await started();
    const client = await server.login();
    expectError(await ask(client, "mine", { user: "somebody else" }), "forbidden");
    expect(await resultOf(client, "mine", { user: "user-1" })).to.deep.equal({
      subscription: "mine:user-1",
      $subscription: true,
    });
    await server.server.publish(server.app.routes.mine, { user: "user-1" }, 1);
    expect(await event(client)).to.include({ data: 1 });
    server.clock.advance(1_000);
    client.send({
      jsonrpc: "2.0",
      id: 1,
      method: "refresh",
      params: { token: server.token({ suspended: true }) },
    });
    expect(await ended(client)).to.deep.equal({ subscription: "mine:user-1", reason: "forbidden" });
    await server.server.publish(server.app.routes.mine, { user: "user-1" }, 2);
    expect(methodsOf(await leftovers(client))).to.not.include("subscription.event");
  });

  it("a refresh that loses the scope ends the subscription before the next event; one that keeps it ends nothing", async () => {
    await using server = await started();
    const client = await server.login(reader);
    await resultOf(client, "prices", { symbol: "A" });
    await resultOf(client, "ticks", { symbol: "A" });
    server.clock.advance(1_000);
    await resultOf(client, "refresh", { token: server.token(reader) });
    await server.publish("A", 1);
    expect(await event(client)).to.include({ subscription: "prices:A" });
    server.clock.advance(1_000);
    client.send({
      jsonrpc: "2.0",
      id: 1,
      method: "refresh",
      params: { token: server.token({ scope: "write" }) },
    });
    expect(await ended(client)).to.deep.equal({ subscription: "prices:A", reason: "forbidden" });
    expect(await client.next()).to.have.nested.property("result.changed", true);
    await server.publish("A", 2);
    await server.tick("A", 3);
    expect(await event(client)).to.deep.equal({ subscription: "ticks:A", data: { price: 3 } });
  });

  it("logout ends all subscriptions and says so, and nothing of them reaches the next user", async () => {
    await using server = await started();
    const client = await server.login(reader);
    const { subscription } = await resultOf(client, "watch");
    await resultOf(client, "ticks", { symbol: "A" });
    client.send({ jsonrpc: "2.0", id: 1, method: "logout" });
    const endings = [await ended(client), await ended(client)];
    expect(endings).to.have.deep.members([
      { subscription, reason: "logout" },
      { subscription: "ticks:A", reason: "logout" },
    ]);
    expect(await client.next()).to.deep.include({ id: 1, result: { ok: true } });
    expect(server.faucet.signal?.aborted).to.equal(true);
    await client.authenticate(server.token({ sub: "user-2", ...reader }));
    await server.tick("A", 1);
    server.faucet.give(1);
    expect(await leftovers(client)).to.deep.equal([]);
  });

  it("revocation and the end of grace let nothing out, and leave the generator", async () => {
    await using server = await started();
    const client = await server.login({ ...reader, jti: "t1" });
    await resultOf(client, "watch");
    await resultOf(client, "ticks", { symbol: "A" });
    const published = server.tick("A", 1);
    const revoked = server.server.revoke({ jti: "t1" });
    await Promise.all([published, revoked]);
    await client.closed;
    const frames = client.queued.map((text) => JSON.parse(text) as { method?: string });
    expect(methodsOf(frames)).to.deep.equal(["connection.closing"]);
    expect(server.faucet.signal?.aborted).to.equal(true);
  });

  it("in EXPIRED events are held, and flushed in order after the answer to a refresh; generators wait", async () => {
    await using server = await started();
    const client = await server.login(reader);
    const { subscription } = await resultOf(client, "watch");
    await resultOf(client, "prices", { symbol: "A" });
    server.clock.advance(900_000);
    await told(client, "auth.expiring");
    await told(client, "auth.expired");
    for (const price of [1, 2]) await server.publish("A", price);
    server.faucet.give("a", "b");
    expect(await leftovers(client)).to.deep.equal([]);
    expect(server.faucet.pulls, "one was asked for before").to.equal(1);
    expectError(await ask(client, "unsubscribe", { subscription }), "token_expired");
    client.send({
      jsonrpc: "2.0",
      id: 1,
      method: "refresh",
      params: { token: server.token(reader) },
    });
    expect(await client.next()).to.have.nested.property("result.gap", false);
    const events = [
      await event(client),
      await event(client),
      await event(client),
      await event(client),
    ];
    expect(
      events.filter(({ offset }) => offset !== undefined).map(({ offset }) => offset),
    ).to.deep.equal([1, 2]);
    expect(
      events.filter((one) => one.subscription === subscription).map(({ data }) => data),
    ).to.deep.equal(["a", "b"]);
    expect(events.some(({ gap }) => gap)).to.equal(false);
  });

  it("too many held events are dropped: the refresh says gap, and so does the next event of those that lost some", async () => {
    await using server = await started();
    const client = await server.login(reader);
    const { epoch } = await resultOf(client, "prices", { symbol: "A" });
    await resultOf(client, "ticks", { symbol: "A" });
    server.clock.advance(900_000);
    for (let price = 1; price <= 257; price++) await server.publish("A", price);
    expect(await resultOf(client, "refresh", { token: server.token(reader) })).to.include({
      gap: true,
    });
    await server.tick("A", 1);
    expect(await event(client), "nothing of this one was lost").to.deep.equal({
      subscription: "ticks:A",
      data: { price: 1 },
    });
    await server.publish("A", 258);
    expect(await event(client)).to.deep.equal({
      subscription: "prices:A",
      offset: 258,
      epoch,
      gap: true,
      data: { price: 258 },
    });
    await server.publish("A", 259);
    expect(await event(client), "told once").to.deep.equal({
      subscription: "prices:A",
      offset: 259,
      data: { price: 259 },
    });
  });

  it("what was dropped is replayed on the same connection, when a topic is subscribed to again with $since", async () => {
    await using server = await started();
    const client = await server.login(reader);
    const { epoch } = await resultOf(client, "prices", { symbol: "A" });
    await resultOf(client, "ticks", { symbol: "A" });
    server.clock.advance(900_000);
    for (let price = 1; price <= 3; price++) await server.publish("A", price);
    for (let price = 1; price <= 257; price++) await server.tick("A", price);
    expect(await resultOf(client, "refresh", { token: server.token(reader) })).to.include({
      gap: true,
    });
    const $since = { epoch, offset: 0 };
    expect(await resultOf(client, "prices", { symbol: "A", $since })).to.deep.equal({
      ...{ subscription: "prices:A", $subscription: true },
      ...{ epoch, offset: 3, recovered: true },
    });
    for (let offset = 1; offset <= 3; offset++)
      expect(await event(client)).to.deep.equal({
        ...{ subscription: "prices:A", offset },
        data: { price: offset },
      });
    await server.publish("A", 4);
    expect(await event(client), "the gap is mended").to.deep.equal({
      ...{ subscription: "prices:A", offset: 4 },
      data: { price: 4 },
    });
  });

  it("closing the connection leaves no topic and no generator behind", async () => {
    await using server = await started();
    const client = await server.login(reader);
    await resultOf(client, "watch");
    await resultOf(client, "prices", { symbol: "A" });
    await client.close();
    while (server.server.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(server.faucet.signal?.aborted).to.equal(true);
    await server.publish("A", 1); // to nobody
  });

  it("rpc.discover marks subscriptions with x-subscription, for those who may", async () => {
    await using server = await started();
    const client = await server.login(reader);
    const { methods } = (await resultOf(client, "rpc.discover")) as unknown as {
      methods: { name: string; "x-subscription"?: object }[];
    };
    const prices = methods.find(({ name }) => name === "prices");
    expect(prices).to.have.nested.property("x-subscription.history", true);
    expect(prices).to.have.nested.property("x-subscription.event.properties.price.type", "number");
    expect(methods.find(({ name }) => name === "echo")).to.not.have.property("x-subscription");
    const other = await server.login();
    const seen = (await resultOf(other, "rpc.discover")) as unknown as {
      methods: { name: string }[];
    };
    expect(seen.methods.map(({ name }) => name))
      .to.include("ticks")
      .and.not.include("prices");
  });
});

describe("Protocol §5.6, what the server sends to others", () => {
  it("publish rejects what is not as declared, and sends nothing of it", async () => {
    await using server = await started();
    const client = await server.login(reader);
    await resultOf(client, "prices", { symbol: "A" });
    const { prices } = server.app.routes;
    const attempts = [
      () => server.server.publish(prices, { symbol: 1 } as never, { price: 1 }),
      () => server.server.publish(prices, { symbol: "A" }, { price: "1" } as never),
      () => server.server.publish({} as typeof prices, { symbol: "A" }, { price: 1 }),
    ];
    for (const attempt of attempts) {
      const error = await attempt().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).to.be.instanceOf(TypeError);
    }
    const tooLarge = await server.server
      .publish(server.app.routes.mine, { user: "u" }, "x".repeat(1_048_577))
      .catch((error) => error);
    expect(tooLarge).to.be.instanceOf(RangeError);
    expect(await leftovers(client)).to.deep.equal([]);
  });

  it("notify reaches a connection, a subject's connections, or everybody, and nobody else", async () => {
    await using server = await started();
    const one = await server.login();
    const two = await server.login();
    const other = await server.login({ sub: "user-2" });
    const open = await server.connect();
    const heard = async (n: number, clients: readonly RawClient[]) => {
      for (const client of clients) expect(await told(client, "news")).to.deep.equal({ n });
      for (const client of [one, two, other, open])
        expect(await leftovers(client)).to.deep.equal([]);
    };
    const { connectionId } = await resultOf(one, "whoami");
    await server.server.notify({ connection: String(connectionId) }, "news", { n: 1 });
    await heard(1, [one]);
    await server.server.notify({ subject: "user-1" }, "news", { n: 2 });
    await heard(2, [one, two]);
    await server.server.notify({ subject: "user-1", issuer: "https://other.test" }, "news", {
      n: 3,
    });
    await heard(3, []);
    await server.server.notify("all", "news", { n: 4 });
    await heard(4, [one, two, other]);
    for (const target of [{}, "everybody", { subject: 1 }, { connection: "c", subject: "s" }]) {
      expect(
        await server.server.notify(target as never, "news", { n: 5 }).catch((error) => error),
      ).to.be.instanceOf(TypeError);
    }
    expect(
      await server.server.notify("all", "unknown", {}).catch((error) => error),
    ).to.be.instanceOf(TypeError);
  });
});
