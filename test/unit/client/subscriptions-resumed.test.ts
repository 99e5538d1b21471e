import { expect } from "chai";
import { describe, it } from "mocha";
import { gap } from "../../../client/index.js";
import { outcomeOf, settled } from "../../helpers/client/scripted-client.js";
import { connected, event, reconnected } from "../../helpers/client/subscribed-client.js";
import { consume } from "../../helpers/consumer.js";

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
    expect(next.frames.map(({ method }) => method)).to.deep.equal([
      "authenticate",
      "orders.watch",
      "orders.watch",
      "time.now",
    ]);
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

  it("tells what may be lost each time, also when no event came in between: who read anew after the first has missed what followed", async () => {
    const script = await connected();
    const [got, marked] = [consume(script.watch()), consume(script.prices({}, { gaps: true }))];
    const answer = (socket: typeof script.socket) => {
      for (const name of ["orders.watch", "orders.prices"])
        socket.answer(socket.last(name), { subscription: name });
    };
    answer(script.socket);
    for (const times of [1, 2, 3]) {
      answer(await reconnected(script));
      await settled();
      expect(script.lost).to.deep.equal(
        Array(times).fill({ name: "orders.watch", params: undefined }),
      );
      expect(marked.events).to.deep.equal(Array(times).fill(gap));
    }
    expect(got.events).to.deep.equal([]);
    await script.client.close();
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

  it("follows its topic into another epoch, whose offsets begin anew, and comes back with that one", async () => {
    const script = await connected();
    const got = consume(script.prices({ symbol: "BTC" }, { gaps: true }));
    script.socket.answer(script.socket.last("orders.prices"), {
      subscription: "t",
      epoch: "e",
      offset: 7,
    });
    event(script.socket, "t", "8", { offset: 8 });
    event(script.socket, "t", "late", { offset: 3 });
    event(script.socket, "t", "f2", { offset: 2, epoch: "f", gap: true });
    event(script.socket, "t", "f2 again", { offset: 2 });
    event(script.socket, "t", "f3", { offset: 3 });
    await settled();
    expect(got.events).to.deep.equal(["8", gap, "f2", "f3"]);
    const next = await reconnected(script);
    expect(next.last("orders.prices").params).to.deep.equal({
      symbol: "BTC",
      $since: { epoch: "f", offset: 3 },
    });
    await script.client.close();
  });

  it("goes on where it was in the topic's history, over any number of connections", async () => {
    const script = await connected();
    const got = consume(script.prices({ symbol: "BTC" }, { gaps: true }));
    script.socket.answer(script.socket.last("orders.prices"), {
      subscription: "t",
      epoch: "e",
      offset: 7,
    });
    event(script.socket, "t", "8", { offset: 8 });
    for (const at of [8, 9, 10]) {
      const next = await reconnected(script);
      expect(next.last("orders.prices").params).to.deep.equal({
        symbol: "BTC",
        $since: { epoch: "e", offset: at },
      });
      next.answer(next.last("orders.prices"), {
        subscription: "t",
        epoch: "e",
        offset: at + 1,
        recovered: true,
      });
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
      script.socket.answer(script.socket.last("orders.prices"), {
        subscription: "t",
        epoch: "e",
        offset: 7,
      });
      event(script.socket, "t", "8", { offset: 8 });
      const next = await reconnected(script);
      next.answer(next.last("orders.prices"), { subscription: "t", ...answer });
      await settled();
      expect(got.events).to.deep.equal(["8", gap]);
      const offset = "offset" in answer ? answer.offset + 1 : undefined;
      event(next, "t", "new", { offset });
      event(next, "t", "again", { offset });
      await settled();
      expect(got.events).to.deep.equal(
        offset === undefined ? ["8", gap, "new", "again"] : ["8", gap, "new"],
      );
      await script.client.close();
    });
  }

  it("can't ask for history with params by position, and tells a gap", async () => {
    const script = await connected();
    const got = consume(script.prices(["BTC"], { gaps: true }));
    script.socket.answer(script.socket.last("orders.prices"), {
      subscription: "t",
      epoch: "e",
      offset: 7,
    });
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

  it("isn't cancelled when it ends before it is answered again: another consumer of its topic would end with it", async () => {
    for (const isShared of [true, false]) {
      const script = await connected();
      const ends = script.prices();
      consume(ends);
      const others = isShared ? [consume(script.prices())] : [];
      const answer = (socket: typeof script.socket) => {
        for (const asked of socket.frames.filter(({ method }) => method === "orders.prices")) {
          socket.answer(asked, { subscription: "t", epoch: "e", offset: 7, recovered: true });
        }
      };
      answer(script.socket);
      const next = await reconnected(script);
      await ends[Symbol.asyncDispose]();
      expect(next.count("$/cancelRequest")).to.equal(0);
      answer(next);
      expect(next.count("unsubscribe")).to.equal(isShared ? 0 : 1);
      event(next, "t", 8, { offset: 8 });
      await settled();
      for (const { events } of others) expect(events).to.deep.equal([8]);
      await script.client.close();
    }
  });

  it("is nobody else's: after a change of user it throws, and nothing of it is sent", async () => {
    const script = await connected();
    const [live, asked] = [consume(script.watch()), consume(script.prices())];
    script.socket.answer(script.socket.last("orders.watch"), { subscription: "s1" });
    const next = await reconnected(script, { subject: "grace" });
    const mine = consume(script.client.subscribe("orders.watch"));
    await settled();
    for (const { error } of [live, asked]) expect(error).to.include({ code: "subject_changed" });
    expect(next.frames.map(({ method }) => method)).to.deep.equal(["authenticate", "orders.watch"]);
    next.answer(next.last("orders.watch"), { subscription: "s1" });
    event(next, "s1", "grace's");
    await settled();
    expect(mine.events).to.deep.equal(["grace's"]);
    expect(live.events).to.deep.equal([]);
    await script.client.close();
  });

  it("gives nothing of what waited for the one user once the next has signed in", async () => {
    const script = await connected();
    const iterator = script.watch()[Symbol.asyncIterator]();
    script.socket.answer(script.socket.last("orders.watch"), { subscription: "s1" });
    for (const data of ["ada's first", "ada's second"]) event(script.socket, "s1", data);
    expect((await iterator.next()).value).to.equal("ada's first");
    await reconnected(script, { subject: "grace" });
    const next = outcomeOf(iterator.next());
    await settled();
    expect(next.error).to.include({ code: "subject_changed" });
    await script.client.close();
  });

  it("throws when the client is closed by the server, after what waits", async () => {
    const { client, socket, watch } = await connected();
    const [subscription, asked] = [client.subscribe("orders.watch"), consume(watch())];
    socket.answer(socket.last("orders.watch"), { subscription: "s1" });
    const got = consume(client.subscribe("orders.prices"));
    socket.drop(4403, "kicked");
    const late = consume(subscription);
    await settled();
    for (const { error } of [got, late, asked])
      expect(error).to.include({ code: "disconnected", reason: "kicked", sent: "no" });
    await client.close();
  });

  for (const how of [
    "close()",
    "await using",
    "close() while it waits for a connection",
    "close() and reconnect() at once",
  ] as const) {
    it(`ends like any other loop by the application's own ${how}, after what waits, with nothing thrown anywhere`, async () => {
      const unheard: unknown[] = [];
      const note = (reason: unknown) => unheard.push(reason);
      process.on("unhandledRejection", note);
      const { client, socket, watch } = await connected();
      const [late, reads, asked] = [
        client.subscribe("orders.watch"),
        client.subscribe("orders.prices"),
        watch(),
      ];
      const [watched] = socket.frames.filter(({ method }) => method === "orders.watch");
      if (watched) socket.answer(watched, { subscription: "s1" });
      socket.answer(socket.last("orders.prices"), { subscription: "s2" });
      const got = consume(reads);
      const gotAsked = consume(asked);
      event(socket, "s1", 1);
      event(socket, "s2", 2);
      await settled();
      if (how === "close() while it waits for a connection") socket.drop();
      if (how === "await using") await client[Symbol.asyncDispose]();
      else void client.close();
      if (how === "close() and reconnect() at once") void client.reconnect().catch(() => {});
      const gotLate = consume(late);
      await settled();
      process.off("unhandledRejection", note);
      expect(got).to.deep.equal({ events: [2], isDone: true });
      expect(gotLate).to.deep.equal({ events: [1], isDone: true });
      expect(gotAsked).to.deep.equal({ events: [], isDone: true });
      expect(unheard).to.deep.equal([]);
      await client.close();
    });
  }

  it("throws when it is made of a closed client", async () => {
    const { client, watch } = await connected();
    await client.close();
    const made = [consume(watch()), consume(client.subscribe("orders.watch"))];
    await settled();
    for (const { error } of made)
      expect(error).to.include({ code: "disconnected", reason: "bye", sent: "no" });
  });
});

describe("The events of a topic with history", () => {
  const topic = async () => {
    const script = await connected();
    const got = consume(script.prices({}, { gaps: true }));
    script.socket.answer(script.socket.last("orders.prices"), {
      subscription: "t",
      epoch: "e",
      offset: 7,
    });
    return { ...script, got };
  };

  it("are dropped when they came before, and have no gap where the offset jumps: only a server tells one", async () => {
    const { client, socket, got } = await topic();
    for (const offset of [7, 8, 8, 9, 6, 12, 10, 13]) event(socket, "t", offset, { offset });
    await settled();
    expect(got.events).to.deep.equal([8, 9, 12, 13]);
    event(socket, "t", 20, { offset: 20, gap: true });
    await settled();
    expect(got.events).to.deep.equal([8, 9, 12, 13, gap, 20]);
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
