import { expect } from "chai";
import { describe, it } from "mocha";
import { gap, type Subscription } from "../../../client/index.js";
import { errorOf } from "../../../src/protocol/error-codes.js";
import { outcomeOf, scriptedClient, settled } from "../../helpers/client/scripted-client.js";
import { connected, ended, event, reconnected } from "../../helpers/client/subscribed-client.js";
import { consume } from "../../helpers/consumer.js";

describe("A subscription", () => {
  it("is one call, whose events are iterated from the first, also when they come in the turn of its answer", async () => {
    const { client, socket, watch } = await connected();
    const got = consume(watch({ id: "o1" }));
    expect(socket.texts.at(-1)).to.equal(
      '{"jsonrpc":"2.0","id":1,"method":"orders.watch","params":{"id":"o1"}}',
    );
    socket.answer(socket.last("orders.watch"), { subscription: "s1" });
    event(socket, "s1", 1);
    event(socket, "other", "not ours");
    event(socket, "s1", null);
    await settled();
    expect(got.events).to.deep.equal([1, null]);
    expect(socket.count("orders.watch")).to.equal(1);
    await client.close();
  });

  it("can be had by its wire name, and asks at once", async () => {
    const { client, socket } = await connected();
    const subscription = client.subscribe("orders.watch", { id: "o1" });
    socket.answer(socket.last("orders.watch"), { subscription: "s1" });
    event(socket, "s1", 1);
    const got = consume(subscription);
    event(socket, "s1", 2);
    await settled();
    expect(got.events).to.deep.equal([1, 2]);
    await client.close();
  });

  it("waits for the connection, and goes out before the calls that waited longer", async () => {
    const { client, socket, signIn } = scriptedClient();
    const call = client.call("time.now").catch(() => {});
    const got = consume(
      client.api.orders?.watch?.({ id: "o1" }) as unknown as AsyncIterable<unknown>,
    );
    const opened = await signIn();
    expect(opened.frames.map(({ method }) => method)).to.deep.equal([
      "authenticate",
      "orders.watch",
      "time.now",
    ]);
    opened.answer(opened.last("orders.watch"), { subscription: "s1" });
    event(opened, "s1", 1);
    await settled();
    expect(got.events).to.deep.equal([1]);
    await client.close();
    await call;
    expect(await socket()).to.equal(opened);
  });

  for (const [how, leave] of [
    [
      "return()",
      (subscription: Subscription<unknown>) => subscription[Symbol.asyncIterator]().return(),
    ],
    ["await using", (subscription: Subscription<unknown>) => subscription[Symbol.asyncDispose]()],
  ] as const) {
    it(`is unsubscribed by ${how}, once, and its iteration ends`, async () => {
      const { client, socket, watch } = await connected();
      const subscription = watch({ id: "o1" });
      const got = consume(subscription);
      socket.answer(socket.last("orders.watch"), { subscription: "s1" });
      event(socket, "s1", 1);
      await settled();
      await leave(subscription);
      await leave(subscription);
      await settled();
      expect(socket.last("unsubscribe").params).to.deep.equal({ subscription: "s1" });
      expect(socket.count("unsubscribe")).to.equal(1);
      expect(got).to.deep.equal({ events: [1], isDone: true });
      await client.close();
    });
  }

  it("is unsubscribed by throw(), which rejects with what it is given, as a generator's does", async () => {
    const { client, socket, watch } = await connected();
    const relayed = async function* () {
      yield* watch({ id: "o1" });
    };
    const relay = relayed();
    const first = relay.next();
    socket.answer(socket.last("orders.watch"), { subscription: "s1" });
    event(socket, "s1", 1);
    expect((await first).value).to.equal(1);
    const thrown = outcomeOf(relay.throw(new Error("enough")));
    await settled();
    expect(thrown.error).to.have.property("message", "enough");
    expect(socket.count("unsubscribe")).to.equal(1);
    await client.close();
  });

  it("is unsubscribed by break, and what still comes is dropped", async () => {
    const { client, socket, watch } = await connected();
    const got = consume(watch(), (data) => data === 2);
    socket.answer(socket.last("orders.watch"), { subscription: "s1" });
    for (const data of [1, 2, 3]) event(socket, "s1", data);
    await settled();
    expect(got).to.deep.equal({ events: [1, 2], isDone: true });
    event(socket, "s1", 4);
    expect(socket.count("unsubscribe")).to.equal(1);
    await client.close();
  });

  it("is unsubscribed by its signal, and throws that it was aborted, whatever waited", async () => {
    const { client, socket, watch, clock } = await connected();
    const controller = new AbortController();
    const got = consume(watch({}, { signal: controller.signal }));
    socket.answer(socket.last("orders.watch"), { subscription: "s1" });
    const before = clock.pending;
    event(socket, "s1", 1);
    controller.abort("enough");
    await settled();
    expect(got.error).to.include({ code: "aborted", cause: "enough" });
    expect(socket.count("unsubscribe")).to.equal(1);
    expect(socket.count("$/cancelRequest")).to.equal(0);
    socket.answer(socket.last("unsubscribe"), { ok: true });
    expect(clock.pending).to.equal(before);
    await client.close();
  });

  it("asks nothing with a signal that is aborted already", async () => {
    const { client, socket, watch } = await connected();
    const got = consume(watch({}, { signal: AbortSignal.abort() }));
    const named = consume(client.subscribe("orders.watch", {}, { signal: AbortSignal.abort() }));
    await settled();
    for (const { error } of [got, named]) expect(error).to.have.property("code", "aborted");
    expect(socket.count("orders.watch")).to.equal(0);
    await client.close();
  });

  it("that ends before it is answered is cancelled, and unsubscribed if the answer comes all the same", async () => {
    for (const isNamed of [false, true]) {
      const { client, socket, watch } = await connected();
      const subscription = isNamed ? client.subscribe("orders.watch") : watch();
      const got = consume(subscription);
      const asked = socket.last("orders.watch");
      await subscription[Symbol.asyncDispose]();
      expect(socket.last("$/cancelRequest").params).to.deep.equal({ id: asked.id });
      expect(socket.count("unsubscribe")).to.equal(0);
      socket.answer(asked, { subscription: "s1" });
      event(socket, "s1", 1);
      await settled();
      expect(socket.last("unsubscribe").params).to.deep.equal({ subscription: "s1" });
      expect(got).to.deep.equal({ events: [], isDone: true });
      await client.close();
    }
  });

  it("keeps what comes before it is iterated, up to its buffer, and tells that the oldest are lost", async () => {
    const { client, socket, lost } = await connected();
    const subscription = client.subscribe("orders.watch", { id: "o1" }, { buffer: 2 });
    const marked = client.subscribe("orders.watch", { id: "o1" }, { buffer: 2, gaps: true });
    for (const asked of socket.frames.filter(({ method }) => method === "orders.watch"))
      socket.answer(asked, { subscription: "s1" });
    for (const data of [1, 2, 3, 4]) event(socket, "s1", data);
    const [got, gotMarked] = [consume(subscription), consume(marked)];
    await settled();
    expect(lost).to.deep.equal([{ name: "orders.watch", params: { id: "o1" } }]);
    expect(got.events).to.deep.equal([3, 4]);
    expect(gotMarked.events).to.deep.equal([gap, 3, 4]);
    await client.close();
  });

  it("has a place for 1024 events when nothing else is said", async () => {
    const { client, socket, lost } = await connected();
    const [most, tooMany] = [client.subscribe("orders.watch"), client.subscribe("orders.prices")];
    for (const [name, count] of [
      ["orders.watch", 1_024],
      ["orders.prices", 1_025],
    ] as const) {
      socket.answer(socket.last(name), { subscription: name });
      for (let data = 0; data < count; data++) event(socket, name, data);
    }
    const [all, newest] = [consume(most), consume(tooMany)];
    await settled();
    expect([all.events.length, all.events[0]]).to.deep.equal([1_024, 0]);
    expect([newest.events.length, newest.events[0]]).to.deep.equal([1_024, 1]);
    expect(lost).to.deep.equal([{ name: "orders.prices", params: undefined }]);
    await client.close();
  });
});

describe("A function of api", () => {
  /** The answer by which the server says that the call was a subscription's. */
  const marked = (subscription: string, more: object = {}) => ({
    subscription,
    $subscription: true,
    ...more,
  });

  it("keeps the events from the call on, also those in the frame of its answer, for who iterates late", async () => {
    const { client, socket, watch, lost } = await connected();
    const subscription = watch({ id: "o1" });
    socket.receive([
      { jsonrpc: "2.0", id: socket.last("orders.watch").id, result: marked("s1") },
      {
        jsonrpc: "2.0",
        method: "subscription.event",
        params: { subscription: "s1", data: "in the same frame" },
      },
    ]);
    event(socket, "s1", "in the same turn");
    await settled();
    event(socket, "s1", "later");
    await settled();
    const got = consume(subscription);
    event(socket, "s1", "while it is iterated");
    await settled();
    expect(got.events).to.deep.equal([
      "in the same frame",
      "in the same turn",
      "later",
      "while it is iterated",
    ]);
    expect(lost).to.deep.equal([]);
    expect(socket.count("orders.watch")).to.equal(1);
    expect(socket.count("unsubscribe")).to.equal(0);
    await client.close();
  });

  it("keeps as many as its buffer has room for, and tells that the oldest are lost", async () => {
    const { client, socket, watch, prices } = await connected();
    const few = watch({ id: "o1" }, { buffer: 2, gaps: true });
    const many = prices();
    socket.answer(socket.last("orders.watch"), marked("s1"));
    socket.answer(socket.last("orders.prices"), marked("s2"));
    for (let data = 0; data < 1_024; data++) {
      event(socket, "s1", data);
      event(socket, "s2", data);
    }
    await settled();
    const [got, gotMany] = [consume(few), consume(many)];
    await settled();
    expect(got.events).to.deep.equal([gap, 1_022, 1_023]);
    expect(gotMany.events).to.have.length(1_024);
    await client.close();
  });

  it("is asked for again on the next connection before anybody iterates, and misses nothing", async () => {
    const script = await connected();
    const { client, socket, prices, lost } = script;
    const params = { symbol: "BTC" };
    const subscription = prices(params);
    params.symbol = "ETH"; // after the call
    socket.answer(socket.last("orders.prices"), marked("t", { epoch: "e", offset: 4 }));
    event(socket, "t", "five", { offset: 5 });
    await settled();
    const next = await reconnected(script);
    expect(next.last("orders.prices").params).to.deep.equal({
      symbol: "BTC",
      $since: { epoch: "e", offset: 5 },
    });
    next.answer(
      next.last("orders.prices"),
      marked("t", { epoch: "e", offset: 6, recovered: true }),
    );
    event(next, "t", "six", { offset: 6 });
    await settled();
    const got = consume(subscription);
    await settled();
    expect(got.events).to.deep.equal(["five", "six"]);
    expect(lost).to.deep.equal([]);
    await client.close();
  });

  it("tells a gap when the connection was lost before its answer came", async () => {
    const script = await connected();
    const subscription = script.watch({ id: "o1" }, { gaps: true });
    const next = await reconnected(script);
    expect(next.count("orders.watch")).to.equal(0); // it may have been a method's
    const got = consume(subscription);
    next.answer(next.last("orders.watch"), marked("s1"));
    event(next, "s1", 1);
    await settled();
    expect(next.count("orders.watch")).to.equal(1);
    expect(got.events).to.deep.equal([gap, 1]);
    await script.client.close();
  });

  it("that was refused says so to who iterates late, asks no more, and is reported nowhere", async () => {
    const unheard: unknown[] = [];
    const note = (reason: unknown) => unheard.push(reason);
    process.on("unhandledRejection", note);
    const { client, socket, watch } = await connected();
    const refused = watch({ id: "o1" });
    socket.refuse(socket.last("orders.watch"), errorOf("forbidden"));
    const controller = new AbortController();
    const aborted = watch({ id: "o2" }, { signal: controller.signal });
    controller.abort();
    await settled();
    const [got, gotAborted] = [consume(refused), consume(aborted)];
    await settled();
    process.off("unhandledRejection", note);
    expect(got.error).to.include({ code: "forbidden" });
    expect(gotAborted.error).to.include({ code: "aborted" });
    expect(socket.count("orders.watch")).to.equal(2);
    expect(unheard).to.deep.equal([]);
    await client.close();
  });

  it("goes out among the calls, and first when it is iterated before there is a connection", async () => {
    const { client, signIn } = scriptedClient();
    const watch = client.api.orders?.watch as unknown as () => Subscription<unknown>;
    const call = client.call("time.now").catch(() => {});
    const [late, early] = [watch(), watch()];
    const gotEarly = consume(early);
    const socket = await signIn();
    const sent = socket.frames.slice(1);
    expect(sent.map(({ method }) => method)).to.deep.equal([
      "orders.watch",
      "time.now",
      "orders.watch",
    ]);
    for (const [index, asked] of [sent[0], sent[2]].entries())
      if (asked) socket.answer(asked, marked(`s${index}`));
    event(socket, "s0", "early");
    event(socket, "s1", "late");
    await settled();
    const gotLate = consume(late);
    await settled();
    expect([gotEarly.events, gotLate.events]).to.deep.equal([["early"], ["late"]]);
    await client.close();
    await call;
  });

  it("belongs to the user who called, whoever iterates", async () => {
    const script = await connected();
    const [live, unanswered] = [script.watch(), script.prices()];
    script.socket.answer(script.socket.last("orders.watch"), marked("s1"));
    event(script.socket, "s1", "ada's");
    const next = await reconnected(script, { subject: "grace" });
    const [got, gotUnanswered] = [consume(live), consume(unanswered)];
    await settled();
    for (const { events, error } of [got, gotUnanswered]) {
      expect(events).to.deep.equal([]);
      expect(error).to.include({ code: "subject_changed" });
    }
    expect(next.frames.map(({ method }) => method)).to.deep.equal(["authenticate"]);
    await script.client.close();
  });

  it("comes out of an async function as what it is", async () => {
    const { client, socket, watch } = await connected();
    const opening = (async () => watch({ id: "o1" }))();
    await settled();
    socket.answer(socket.last("orders.watch"), marked("s1"));
    event(socket, "s1", 1);
    const subscription = await opening;
    const got = consume(subscription);
    await settled();
    expect(got.events).to.deep.equal([1]);
    expect(socket.count("orders.watch")).to.equal(1);
    await subscription[Symbol.asyncDispose]();
    expect(socket.last("unsubscribe").params).to.deep.equal({ subscription: "s1" });
    await client.close();
  });

  it("of a method gives the promise of a result, which may have any members, and isn't called again", async () => {
    const script = await connected();
    const { client, socket, watch } = script;
    const result = watch({ plan: "gold" });
    socket.answer(socket.last("orders.watch"), { subscription: "gold", next: 1 });
    event(socket, "gold", "nobody's");
    expect(await result).to.deep.equal({ subscription: "gold", next: 1 });
    const got = consume(result);
    await settled();
    expect(got).to.deep.include({ events: [] });
    expect(got.error).to.include({ code: "no_subscription" });
    expect(socket.count("orders.watch") + socket.count("unsubscribe")).to.equal(1);
    expect((await reconnected(script)).count("orders.watch")).to.equal(0);
    await client.close();
  });

  it("says so when it is no subscription", async () => {
    const { client, socket, watch } = await connected();
    const got = consume(watch());
    socket.answer(socket.last("orders.watch"), { id: "o1" });
    await settled();
    expect(got.error).to.include({ code: "no_subscription" });
    await client.close();
  });

  it("throws to who iterates it, when its params aren't JSON", async () => {
    const { client, socket, watch } = await connected();
    const circular: Record<string, unknown> = {};
    circular.itself = circular;
    const subscription = watch(circular);
    await settled();
    const got = consume(subscription);
    await settled();
    expect(got.error).to.be.instanceOf(TypeError);
    expect(socket.count("orders.watch")).to.equal(0);
    await client.close();
  });

  it("is asked for again when another consumer's leave of the same topic overtook its answer", async () => {
    const { client, socket, watch, prices, lost } = await connected();
    const first = watch({ id: "o1" });
    const gotFirst = consume(first);
    socket.answer(socket.last("orders.watch"), marked("t"));
    const second = prices();
    const [asked] = socket.frames.filter(({ method }) => method === "orders.prices");
    await first[Symbol.asyncDispose]();
    expect(socket.last("unsubscribe").params).to.deep.equal({ subscription: "t" });
    if (asked) socket.answer(asked, marked("t"));
    socket.answer(socket.last("unsubscribe"), { ok: true });
    await settled();
    expect(socket.count("orders.prices")).to.equal(2);
    socket.answer(socket.last("orders.prices"), marked("t"));
    event(socket, "t", 1);
    const got = consume(second);
    await settled();
    expect(got.events).to.deep.equal([1]);
    expect(lost).to.deep.equal([{ name: "orders.prices", params: undefined }]);
    expect(gotFirst.isDone).to.equal(true);
    expect(socket.count("unsubscribe")).to.equal(1);
    await client.close();
  });
});

describe("Two subscriptions of one topic", () => {
  const two = async () => {
    const script = await connected();
    const { socket } = script;
    const subscriptions = [
      script.prices({}, { gaps: true }),
      script.prices({ side: "both" }, { gaps: true }),
    ] as const;
    const [first, second] = [consume(subscriptions[0]), consume(subscriptions[1])];
    const calls = socket.frames.filter(({ method }) => method === "orders.prices");
    return { ...script, subscriptions, first, second, calls };
  };

  it("share the server's, each with its own place in it", async () => {
    const { client, socket, first, second, calls } = await two();
    socket.answer(calls[0]!, { subscription: "t", epoch: "e", offset: 1 });
    event(socket, "t", 2, { offset: 2 });
    socket.answer(calls[1]!, { subscription: "t", epoch: "e", offset: 2 });
    event(socket, "t", 2, { offset: 2 });
    event(socket, "t", 3, { offset: 3 });
    await settled();
    expect(first.events).to.deep.equal([2, 3]);
    expect(second.events).to.deep.equal([3]);
    await client.close();
  });

  it("are unsubscribed with the last one", async () => {
    const { client, socket, subscriptions, calls, second } = await two();
    for (const call of calls) socket.answer(call, { subscription: "t" });
    await subscriptions[0][Symbol.asyncDispose]();
    expect(socket.count("unsubscribe")).to.equal(0);
    event(socket, "t", 1);
    await settled();
    expect(second.events).to.deep.equal([1]);
    await subscriptions[1][Symbol.asyncDispose]();
    expect(socket.count("unsubscribe")).to.equal(1);
    await client.close();
  });

  it("aren't unsubscribed while the answer of the other may be of the same topic", async () => {
    const { client, socket, subscriptions, calls, second } = await two();
    socket.answer(calls[0]!, { subscription: "t" });
    await subscriptions[0][Symbol.asyncDispose]();
    expect(socket.count("unsubscribe")).to.equal(0);
    socket.answer(calls[1]!, { subscription: "t" });
    event(socket, "t", 1);
    await settled();
    expect(socket.count("unsubscribe")).to.equal(0);
    expect(second.events).to.deep.equal([1]);
    await client.close();
  });

  it("are unsubscribed when that answer is of another topic, or an error", async () => {
    for (const isError of [false, true]) {
      const { client, socket, subscriptions, calls } = await two();
      socket.answer(calls[0]!, { subscription: "t" });
      await subscriptions[0][Symbol.asyncDispose]();
      if (isError) socket.refuse(calls[1]!, errorOf("forbidden"));
      else socket.answer(calls[1]!, { subscription: "u" });
      expect(socket.last("unsubscribe").params).to.deep.equal({ subscription: "t" });
      await client.close();
    }
  });

  it("end together", async () => {
    const { client, socket, calls, first, second } = await two();
    for (const call of calls) socket.answer(call, { subscription: "t" });
    ended(socket, "t", "completed");
    await settled();
    expect([first.isDone, second.isDone]).to.deep.equal([true, true]);
    expect(socket.count("unsubscribe")).to.equal(0);
    await client.close();
  });
});

describe("A server that makes no sense", () => {
  it("doesn't disturb a subscription with it", async () => {
    const { client, socket, watch } = await connected();
    const got = consume(watch());
    const asked = socket.last("orders.watch");
    for (const params of [
      undefined,
      null,
      1,
      [],
      {},
      { subscription: 1 },
      { subscription: "__proto__" },
      { subscription: null, data: 1 },
    ]) {
      socket.tell("subscription.event", params);
      socket.tell("subscription.ended", params);
    }
    socket.answer(asked, { subscription: "s1" });
    socket.answer(asked, { subscription: "s2" });
    socket.refuse(asked, errorOf("forbidden"));
    event(socket, "s2", "not ours");
    event(socket, "s1", 1);
    await settled();
    expect(got).to.deep.equal({ events: [1], isDone: false });
    expect(socket.count("unsubscribe")).to.equal(0);
    await client.close();
  });

  it("can't tell a gap in the client's name", async () => {
    const { client, socket, lost } = await connected();
    socket.tell("gap", { name: "orders.watch" });
    expect(lost).to.deep.equal([]);
    await client.close();
  });
});
