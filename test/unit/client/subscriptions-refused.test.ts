import { expect } from "chai";
import { describe, it } from "mocha";
import { gap } from "../../../client/index.js";
import { errorOf } from "../../../src/protocol/error-codes.js";
import { granted, settled } from "../../helpers/client/scripted-client.js";
import { connected, ended, event, reconnected } from "../../helpers/client/subscribed-client.js";
import { consume } from "../../helpers/consumer.js";

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
      expect(got.error).to.include({
        name: "SubscriptionEndedError",
        code: "subscription_ended",
        reason,
        rpcCode: 1001,
      });
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
    // who read anew at the first missed what came before the second
    expect(got.events).to.deep.equal([1, gap, gap, gap, 2]);
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
      for (const asked of socket.frames.filter(({ method }) => method === "orders.watch"))
        socket.refuse(asked, error);
      await settled();
      for (const { error: failure } of [got, named])
        expect(failure).to.include({ name: "RpcError", rpcCode: error.code });
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

  it("throws what it is refused for when it never gets through, and nobody says when it might", async () => {
    const { client, socket, pass } = await connected();
    const hint = "at most 128 subscriptions; unsubscribe first";
    const full = errorOf("overloaded", { hint });
    const [refused, advised] = [
      consume(client.subscribe("orders.watch")),
      consume(client.subscribe("orders.prices")),
    ];
    for (let tries = 1; tries <= 6; tries++) {
      expect(refused.error).to.equal(undefined);
      expect(socket.count("orders.watch")).to.equal(tries);
      socket.refuse(socket.last("orders.watch"), full);
      socket.refuse(socket.last("orders.prices"), errorOf("overloaded", { retryAfter: 1 }));
      await pass(20_000);
    }
    expect(refused.error)
      .to.include({ code: "overloaded" })
      .and.to.have.nested.property("data.hint", hint);
    expect(socket.count("orders.watch")).to.equal(6);
    expect(advised.error).to.equal(undefined);
    expect(socket.count("orders.prices")).to.equal(7);
    await client.close();
  });

  it("is asked for again without end once it has been there", async () => {
    const script = await connected();
    const got = consume(script.client.subscribe("orders.watch"));
    script.socket.answer(script.socket.last("orders.watch"), { subscription: "s1" });
    const next = await reconnected(script);
    for (let tries = 1; tries <= 10; tries++) {
      expect(next.count("orders.watch")).to.equal(tries);
      next.refuse(next.last("orders.watch"), errorOf("overloaded"));
      await script.pass(20_000);
    }
    expect(got.error).to.equal(undefined);
    await script.client.close();
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
      expect(got.error).to.include({ code: "token_expired" });
      expect(asked).to.have.length(2);
      await client.close();
    }
  });

  it("leaves no timer when it ends while it waits to ask again", async () => {
    const { client, socket, clock } = await connected();
    const subscription = client.subscribe("orders.watch");
    const before = clock.pending; // with the one of all calls
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
    event(socket, "s1", 2, { gap: true }); // of the same, or of what was lost after it
    await settled();
    expect(got.events).to.deep.equal([1, gap, gap, 2]);
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
    expect(socket.frames.slice(sent).map(({ method, params }) => [method, params])).to.deep.equal([
      ["orders.watch", { id: "o2" }],
    ]);
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
