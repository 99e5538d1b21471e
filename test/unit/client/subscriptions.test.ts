import { expect } from "chai";
import { describe, it } from "mocha";
import { type ClientOptions, gap, type Subscription } from "../../../client/index.js";
import { errorOf } from "../../../src/protocol/error-codes.js";
import { consume } from "../../helpers/consumer.js";
import { granted, type ScriptedSocket, scriptedClient, settled } from "../../helpers/scripted-client.js";

const event = (socket: ScriptedSocket, subscription: string, data: unknown, more: object = {}) =>
  socket.tell("subscription.event", { subscription, data, ...more });

const ended = (socket: ScriptedSocket, subscription: string, reason: string, more: object = {}) =>
  socket.tell("subscription.ended", { subscription, reason, ...more });

async function connected(options: Partial<ClientOptions> = {}) {
  const script = scriptedClient(options);
  const socket = await script.signIn();
  const lost: unknown[] = [];
  script.client.on("gap", (loss) => lost.push(loss));
  const watch = script.client.api.orders?.watch;
  const prices = script.client.api.orders?.prices;
  if (!watch || !prices) throw new Error("An untyped client has every name");
  return { ...script, socket, lost, watch, prices };
}

/** Drops the connection, and signs in on the next one. */
async function reconnected({ pass, signIn, sockets }: Awaited<ReturnType<typeof connected>>, changes?: Readonly<Record<string, unknown>>) {
  sockets.at(-1)?.drop();
  await pass(20_000);
  return signIn(changes);
}

describe("A subscription", () => {
  it("is one call, whose events are iterated from the first, also when they come in the turn of its answer", async () => {
    const { client, socket, watch } = await connected();
    const got = consume(watch({ id: "o1" }));
    expect(socket.texts.at(-1)).to.equal('{"jsonrpc":"2.0","id":1,"method":"orders.watch","params":{"id":"o1"}}');
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
    const got = consume(client.api.orders?.watch?.({ id: "o1" }) as AsyncIterable<unknown>);
    const opened = await signIn();
    expect(opened.frames.map(({ method }) => method)).to.deep.equal(["authenticate", "orders.watch", "time.now"]);
    opened.answer(opened.last("orders.watch"), { subscription: "s1" });
    event(opened, "s1", 1);
    await settled();
    expect(got.events).to.deep.equal([1]);
    await client.close();
    await call;
    expect(await socket()).to.equal(opened);
  });

  for (const [how, leave] of [
    ["return()", (subscription: Subscription<unknown>) => subscription[Symbol.asyncIterator]().return()],
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
    expect(got.error).to.include({ type: "aborted", cause: "enough" });
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
    for (const { error } of [got, named]) expect(error).to.have.property("type", "aborted");
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
    for (const asked of socket.frames.filter(({ method }) => method === "orders.watch")) socket.answer(asked, { subscription: "s1" });
    for (const data of [1, 2, 3, 4]) event(socket, "s1", data);
    expect(lost).to.deep.equal([{ name: "orders.watch", params: { id: "o1" } }]);
    const [got, gotMarked] = [consume(subscription), consume(marked)];
    await settled();
    expect(got.events).to.deep.equal([3, 4]);
    expect(gotMarked.events).to.deep.equal([gap, 3, 4]);
    await client.close();
  });

  it("has a place for 1024 events when nothing else is said", async () => {
    const { client, socket, lost } = await connected();
    client.subscribe("orders.watch");
    socket.answer(socket.last("orders.watch"), { subscription: "s1" });
    for (let count = 0; count < 1_024; count++) event(socket, "s1", count);
    expect(lost).to.have.length(0);
    event(socket, "s1", "one more");
    expect(lost).to.have.length(1);
    await client.close();
  });
});

describe("A function of api", () => {
  it("is a subscription also for who iterates late; what came between is told as lost", async () => {
    const { client, socket, watch, lost } = await connected();
    const subscription = watch({ id: "o1" });
    socket.answer(socket.last("orders.watch"), { subscription: "s1" });
    event(socket, "s1", "nobody listens");
    await settled();
    const got = consume(subscription);
    expect(socket.count("orders.watch")).to.equal(2);
    socket.answer(socket.last("orders.watch"), { subscription: "s2" });
    event(socket, "s2", 1);
    await settled();
    expect(got.events).to.deep.equal([1]);
    expect(lost).to.have.length(1);
    expect(socket.frames.filter(({ method }) => method === "unsubscribe").map(({ params }) => params)).to.deep.equal([
      { subscription: "s1" },
    ]);
    await client.close();
  });

  it("asks for what came between, where the topic keeps history", async () => {
    const { client, socket, prices, lost } = await connected();
    const subscription = prices({ symbol: "BTC" });
    socket.answer(socket.last("orders.prices"), { subscription: "t", epoch: "e", offset: 4 });
    event(socket, "t", "five", { offset: 5 });
    await settled();
    const got = consume(subscription);
    expect(socket.last("orders.prices").params).to.deep.equal({ symbol: "BTC", $since: { epoch: "e", offset: 4 } });
    socket.answer(socket.last("orders.prices"), { subscription: "t", epoch: "e", offset: 5, recovered: true });
    event(socket, "t", "five", { offset: 5 });
    await settled();
    expect(got.events).to.deep.equal(["five"]);
    expect(lost).to.deep.equal([]);
    expect(socket.count("unsubscribe")).to.equal(0);
    await client.close();
  });

  it("is a subscription also when it came out of an async function", async () => {
    const { client, socket, watch } = await connected();
    const opening = (async () => watch({ id: "o1" }))();
    await settled();
    socket.answer(socket.last("orders.watch"), { subscription: "s1" });
    const result = (await opening) as Subscription<unknown>;
    expect(result).to.deep.equal({ subscription: "s1" });
    const got = consume(result);
    socket.answer(socket.last("orders.watch"), { subscription: "s2" });
    event(socket, "s2", 1);
    await settled();
    expect(got.events).to.deep.equal([1]);
    await client.close();
  });

  it("is a call, whose result may have any members, for who doesn't iterate, and isn't made again", async () => {
    const script = await connected();
    const { client, socket, watch } = script;
    const result = watch({ plan: "gold" });
    socket.answer(socket.last("orders.watch"), { subscription: "gold", next: 1 });
    expect(await result).to.deep.equal({ subscription: "gold", next: 1 });
    expect((await reconnected(script)).count("orders.watch")).to.equal(0);
    await client.close();
  });

  it("says so when it is no subscription", async () => {
    const { client, socket, watch } = await connected();
    const got = consume(watch());
    socket.answer(socket.last("orders.watch"), { id: "o1" });
    await settled();
    expect(got.error).to.include({ type: "no_subscription" });
    await client.close();
  });
});

describe("A subscription whose connection is lost", () => {
  it("is made again with the next one, before the calls that wait, and tells what may be lost once", async () => {
    const script = await connected();
    const { client, socket, watch, lost } = script;
    const got = consume(watch({ id: "o1" }));
    const marked = consume(watch({ id: "o2" }, { gaps: true }));
    for (const asked of socket.frames.filter(({ method }) => method === "orders.watch"))
      socket.answer(asked, { subscription: `s${asked.id}` });
    event(socket, "s1", 1);
    event(socket, "s2", 1);
    socket.drop();
    const call = client.call("time.now").catch(() => {});
    await script.pass(20_000);
    const next = await script.signIn();
    expect(next.frames.map(({ method }) => method)).to.deep.equal(["authenticate", "orders.watch", "orders.watch", "time.now"]);
    event(next, "s1", "of another connection");
    expect(lost).to.deep.equal([]);
    for (const asked of next.frames.filter(({ method }) => method === "orders.watch")) {
      next.answer(asked, { subscription: `t-${(asked.params as { id: string }).id}` });
    }
    await settled();
    expect(lost).to.deep.equal([{ name: "orders.watch", params: { id: "o1" } }]);
    expect(marked.events).to.deep.equal([1, gap]);
    event(next, "t-o1", 2);
    event(next, "t-o2", 2);
    await settled();
    expect(got.events).to.deep.equal([1, 2]);
    expect(marked.events).to.deep.equal([1, gap, 2]);
    await client.close();
    await call;
  });

  it("tells no loss when it had not been answered before", async () => {
    for (const isNamed of [false, true]) {
      const script = await connected();
      const got = consume(isNamed ? script.client.subscribe("orders.watch") : script.watch());
      const next = await reconnected(script);
      expect(next.count("orders.watch")).to.equal(1);
      next.answer(next.last("orders.watch"), { subscription: "s1" });
      event(next, "s1", 1);
      await settled();
      expect(got.events).to.deep.equal([1]);
      expect(script.lost).to.deep.equal([]);
      await script.client.close();
    }
  });

  it("goes on where it was in the topic's history, over any number of connections", async () => {
    const script = await connected();
    const got = consume(script.prices({ symbol: "BTC" }, { gaps: true }));
    script.socket.answer(script.socket.last("orders.prices"), { subscription: "t", epoch: "e", offset: 7 });
    event(script.socket, "t", "8", { offset: 8 });
    for (const at of [8, 9, 10]) {
      const next = await reconnected(script);
      expect(next.last("orders.prices").params).to.deep.equal({ symbol: "BTC", $since: { epoch: "e", offset: at } });
      next.answer(next.last("orders.prices"), { subscription: "t", epoch: "e", offset: at + 1, recovered: true });
      event(next, "t", `${at}`, { offset: at });
      event(next, "t", `${at + 1}`, { offset: at + 1 });
    }
    await settled();
    expect(got.events).to.deep.equal(["8", "9", "10", "11"]);
    await script.client.close();
  });

  for (const [why, answer] of [
    ["it isn't recovered", { epoch: "e", offset: 20, recovered: false }],
    ["the history is another", { epoch: "f", offset: 20, recovered: true }],
    ["the history has come to less than was seen", { epoch: "e", offset: 3, recovered: true }],
    ["nothing is said about it", { epoch: "e", offset: 20 }],
    ["there is none any more", {}],
  ] as const) {
    it(`tells a gap, and goes on from the answer, when ${why}`, async () => {
      const script = await connected();
      const got = consume(script.prices({ symbol: "BTC" }, { gaps: true }));
      script.socket.answer(script.socket.last("orders.prices"), { subscription: "t", epoch: "e", offset: 7 });
      event(script.socket, "t", "8", { offset: 8 });
      const next = await reconnected(script);
      next.answer(next.last("orders.prices"), { subscription: "t", ...answer });
      await settled();
      expect(got.events).to.deep.equal(["8", gap]);
      const offset = "offset" in answer ? answer.offset + 1 : undefined;
      event(next, "t", "new", { offset });
      event(next, "t", "again", { offset });
      await settled();
      expect(got.events).to.deep.equal(offset === undefined ? ["8", gap, "new", "again"] : ["8", gap, "new"]);
      await script.client.close();
    });
  }

  it("can't ask for history with params by position, and tells a gap", async () => {
    const script = await connected();
    const got = consume(script.prices(["BTC"], { gaps: true }));
    script.socket.answer(script.socket.last("orders.prices"), { subscription: "t", epoch: "e", offset: 7 });
    const next = await reconnected(script);
    expect(next.last("orders.prices").params).to.deep.equal(["BTC"]);
    next.answer(next.last("orders.prices"), { subscription: "t", epoch: "e", offset: 9 });
    await settled();
    expect(got.events).to.deep.equal([gap]);
    await script.client.close();
  });

  it("asks with the params that it was made with, whatever became of the object", async () => {
    const script = await connected();
    const params = { id: "o1" };
    consume(script.watch(params));
    params.id = "o2";
    script.socket.answer(script.socket.last("orders.watch"), { subscription: "s1" });
    expect((await reconnected(script)).last("orders.watch").params).to.deep.equal({ id: "o1" });
    await script.client.close();
  });

  it("isn't made again when it has ended meanwhile", async () => {
    const script = await connected();
    const subscription = script.watch();
    consume(subscription);
    script.socket.answer(script.socket.last("orders.watch"), { subscription: "s1" });
    script.socket.drop();
    await subscription[Symbol.asyncDispose]();
    await script.pass(20_000);
    const next = await script.signIn();
    expect(next.count("orders.watch") + next.count("unsubscribe")).to.equal(0);
    await script.client.close();
  });

  it("is nobody else's: after a change of user it throws, and nothing of it is sent", async () => {
    const script = await connected();
    const [live, asked] = [consume(script.watch()), consume(script.prices())];
    script.socket.answer(script.socket.last("orders.watch"), { subscription: "s1" });
    const next = await reconnected(script, { subject: "grace" });
    const mine = consume(script.client.subscribe("orders.watch"));
    await settled();
    for (const { error } of [live, asked]) expect(error).to.include({ type: "subject_changed" });
    expect(next.frames.map(({ method }) => method)).to.deep.equal(["authenticate", "orders.watch"]);
    next.answer(next.last("orders.watch"), { subscription: "s1" });
    event(next, "s1", "grace's");
    await settled();
    expect(mine.events).to.deep.equal(["grace's"]);
    expect(live.events).to.deep.equal([]);
    await script.client.close();
  });

  it("throws when the client is closed, after what waits, and so does one that is made then", async () => {
    const { client, socket, watch } = await connected();
    const subscription = client.subscribe("orders.watch");
    socket.answer(socket.last("orders.watch"), { subscription: "s1" });
    event(socket, "s1", 1);
    await client.close();
    const [got, late, named] = [consume(subscription), consume(watch()), consume(client.subscribe("orders.watch"))];
    await settled();
    expect(got.events).to.deep.equal([1]);
    for (const { error } of [got, late, named]) expect(error).to.include({ type: "disconnected", reason: "bye", sent: "no" });
  });
});

describe("The events of a topic with history", () => {
  const topic = async () => {
    const script = await connected();
    const got = consume(script.prices({}, { gaps: true }));
    script.socket.answer(script.socket.last("orders.prices"), { subscription: "t", epoch: "e", offset: 7 });
    return { ...script, got };
  };

  it("are dropped when they came before, and are told to have a gap when the offset jumps", async () => {
    const { client, socket, got } = await topic();
    for (const offset of [7, 8, 8, 9, 6, 12, 10, 13]) event(socket, "t", offset, { offset });
    await settled();
    expect(got.events).to.deep.equal([8, 9, gap, 12, 13]);
    await client.close();
  });

  it("are told to have a gap when the server says so", async () => {
    const { client, socket, got } = await topic();
    event(socket, "t", 8, { offset: 8, gap: true });
    event(socket, "t", 20, { offset: 20, gap: true });
    await settled();
    expect(got.events).to.deep.equal([gap, 8, gap, 20]);
    await client.close();
  });

  it("are taken as they come where an offset makes no sense", async () => {
    const { client, socket, got } = await topic();
    for (const offset of ["8", 1.5, null, 1e308]) event(socket, "t", `${offset}`, { offset });
    event(socket, "t", "8", { offset: 8 });
    await settled();
    expect(got.events).to.deep.equal(["8", "1.5", "null", "1e+308", "8"]);
    await client.close();
  });
});

describe("Two subscriptions of one topic", () => {
  const two = async () => {
    const script = await connected();
    const { socket } = script;
    const subscriptions = [script.prices({}, { gaps: true }), script.prices({ side: "both" }, { gaps: true })] as const;
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

describe("A subscription that the server ends", () => {
  const watched = async () => {
    const script = await connected();
    const got = consume(script.watch({}, { gaps: true }));
    script.socket.answer(script.socket.last("orders.watch"), { subscription: "s1" });
    event(script.socket, "s1", 1);
    return { ...script, got };
  };

  it("is done when it is completed, after its last event, and stays so over a new connection", async () => {
    const script = await watched();
    ended(script.socket, "s1", "completed");
    event(script.socket, "s1", 2);
    await settled();
    expect(script.got).to.deep.equal({ events: [1], isDone: true });
    expect((await reconnected(script)).count("orders.watch")).to.equal(0);
    await script.client.close();
  });

  for (const reason of ["error", "forbidden", "logout"]) {
    it(`throws when that is for ${reason}, with the code that the server gives`, async () => {
      const { client, socket, got } = await watched();
      ended(socket, "s1", reason, { code: 1001 });
      await settled();
      expect(got.events).to.deep.equal([1]);
      expect(got.error).to.include({ name: "SubscriptionEnded", type: "subscription_ended", reason, code: 1001 });
      expect(socket.count("unsubscribe")).to.equal(0);
      await client.close();
    });
  }

  it("takes a reason that it doesn't know for an error", async () => {
    const { client, socket, got } = await watched();
    ended(socket, "s1", "toString");
    await settled();
    expect(got.error).to.include({ reason: "error" });
    await client.close();
  });

  it("is made again when it was slow, later each time until an event comes, with a gap", async () => {
    const { client, socket, got, pass } = await watched();
    ended(socket, "s1", "slow");
    await settled();
    expect(got.events).to.deep.equal([1]);
    for (const [least, most] of [
      [500, 750],
      [750, 1_250],
    ] as const) {
      const before = socket.count("orders.watch");
      await pass(least - 1);
      expect(socket.count("orders.watch")).to.equal(before);
      await pass(most - least + 1);
      expect(socket.count("orders.watch")).to.equal(before + 1);
      socket.answer(socket.last("orders.watch"), { subscription: "s2" });
      ended(socket, "s2", "slow");
    }
    await pass(20_000);
    socket.answer(socket.last("orders.watch"), { subscription: "s3" });
    event(socket, "s3", 2);
    await settled();
    expect(got.events).to.deep.equal([1, gap, 2]);
    await client.close();
  });
});

describe("A subscription that is refused", () => {
  it("throws the server's error", async () => {
    for (const error of [
      errorOf("forbidden"),
      { code: 1001, message: "NO_SUCH_ORDER", data: { id: "o1" } },
      { code: -32602, message: "Invalid params" },
    ]) {
      const { client, socket, watch } = await connected();
      const [got, named] = [consume(watch()), consume(client.subscribe("orders.watch"))];
      for (const asked of socket.frames.filter(({ method }) => method === "orders.watch")) socket.refuse(asked, error);
      await settled();
      for (const { error: failure } of [got, named]) expect(failure).to.include({ name: "RpcError", code: error.code });
      await client.close();
    }
  });

  it("is asked for again after a temporary error, not before the server's advice", async () => {
    for (const isNamed of [false, true]) {
      const { client, socket, watch, pass, lost } = await connected();
      const got = consume(isNamed ? client.subscribe("orders.watch") : watch());
      socket.refuse(socket.last("orders.watch"), errorOf("overloaded", { retryAfter: 7 }));
      await pass(6_999);
      expect(socket.count("orders.watch")).to.equal(1);
      await pass(1);
      expect(socket.count("orders.watch")).to.equal(2);
      socket.answer(socket.last("orders.watch"), { subscription: "s1" });
      event(socket, "s1", 1);
      await settled();
      expect(got.events).to.deep.equal([1]);
      expect(lost).to.deep.equal([]);
      await client.close();
    }
  });

  it("renews an expired session and is asked for again, once: a second refusal is thrown", async () => {
    for (const isNamed of [false, true]) {
      const { client, socket, watch, clock, asked } = await connected();
      const got = consume(isNamed ? client.subscribe("orders.watch") : watch());
      socket.refuse(socket.last("orders.watch"), errorOf("token_expired"));
      await settled();
      socket.answer(socket.last("refresh"), granted(clock, { changed: true, gap: false }));
      await settled();
      expect(socket.count("orders.watch")).to.equal(2);
      socket.refuse(socket.last("orders.watch"), errorOf("token_expired"));
      await settled();
      expect(got.error).to.include({ type: "token_expired" });
      expect(asked).to.have.length(2);
      await client.close();
    }
  });

  it("leaves no timer when it ends while it waits to ask again", async () => {
    const { client, socket, clock } = await connected();
    const before = clock.pending;
    const subscription = client.subscribe("orders.watch");
    socket.refuse(socket.last("orders.watch"), errorOf("overloaded"));
    expect(clock.pending).to.equal(before + 1);
    await subscription[Symbol.asyncDispose]();
    expect(clock.pending).to.equal(before);
    await client.close();
    expect(clock.pending).to.equal(0);
  });
});

describe("Subscriptions of a session that expires", () => {
  const expired = async () => {
    const script = await connected();
    const [got, other] = [consume(script.watch({}, { gaps: true })), consume(script.prices())];
    for (const [name, subscription] of [
      ["orders.watch", "s1"],
      ["orders.prices", "s2"],
    ] as const) {
      script.socket.answer(script.socket.last(name), { subscription });
    }
    event(script.socket, "s1", 1);
    script.socket.tell("auth.expired", { closeIn: 30 });
    await settled();
    return { ...script, got, other };
  };

  it("go on after a refresh, with the events that were held", async () => {
    const { client, socket, clock, got, lost } = await expired();
    socket.answer(socket.last("refresh"), granted(clock, { changed: true, gap: false }));
    event(socket, "s1", 2);
    await settled();
    expect(got.events).to.deep.equal([1, 2]);
    expect(lost).to.deep.equal([]);
    expect(socket.count("orders.watch")).to.equal(1);
    await client.close();
  });

  it("are all told a gap when the held ones were dropped", async () => {
    const { client, socket, clock, got, lost } = await expired();
    socket.answer(socket.last("refresh"), granted(clock, { changed: true, gap: true }));
    await settled();
    expect(got.events).to.deep.equal([1, gap]);
    expect(lost).to.deep.equal([{ name: "orders.prices", params: undefined }]);
    event(socket, "s1", 2, { gap: true });
    await settled();
    expect(got.events).to.deep.equal([1, gap, 2]);
    await client.close();
  });

  it("that begin or end meanwhile are asked for, and unsubscribed, after the refresh", async () => {
    const { client, socket, clock, watch, prices } = await expired();
    const [begins, ends] = [watch({ id: "o2" }), prices({ symbol: "ETH" })];
    consume(begins);
    consume(ends);
    await ends[Symbol.asyncDispose]();
    const sent = socket.texts.length;
    await settled();
    expect(socket.texts).to.have.length(sent);
    socket.answer(socket.last("refresh"), granted(clock, { changed: true, gap: false }));
    await settled();
    expect(socket.frames.slice(sent).map(({ method, params }) => [method, params])).to.deep.equal([["orders.watch", { id: "o2" }]]);
    await client.close();
  });

  it("are unsubscribed again when that was refused for the expiry", async () => {
    const { client, socket, watch, clock } = await connected();
    const subscription = watch();
    consume(subscription);
    socket.answer(socket.last("orders.watch"), { subscription: "s1" });
    await subscription[Symbol.asyncDispose]();
    socket.refuse(socket.last("unsubscribe"), errorOf("token_expired"));
    socket.tell("auth.expired", { closeIn: 30 });
    await settled();
    expect(socket.count("unsubscribe")).to.equal(1);
    socket.answer(socket.last("refresh"), granted(clock, { changed: true, gap: false }));
    await settled();
    expect(socket.count("unsubscribe")).to.equal(2);
    socket.answer(socket.last("unsubscribe"), { ok: true });
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
