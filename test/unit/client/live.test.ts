import { expect } from "chai";
import { describe, it } from "mocha";
import { type Client, type ClientOptions, RpcError } from "../../../client/browser.js";
import { errorOf, standardError } from "../../../src/protocol/error-codes.js";
import { outcomeOf, type ScriptedSocket, settled } from "../../helpers/client/scripted-client.js";
import { connected, ended, event, reconnected } from "../../helpers/client/subscribed-client.js";
import { consume } from "../../helpers/consumer.js";

const append = (state: unknown, one: unknown) => [...(state as unknown[]), one];
const place = { epoch: "e", offset: 1 };

/** The calls of "board": with `isAsked`, those for a snapshot. */
const callsOf = (socket: ScriptedSocket, isAsked: boolean) =>
  socket.frames.filter(
    ({ method, params }) => method === "board" && (params?.$snapshot === true) === isAsked,
  );

/** Answers the last call for a snapshot. */
const give = (socket: ScriptedSocket, snapshot: unknown, more: object = place) => {
  const frame = callsOf(socket, true).at(-1);
  if (!frame) throw new Error("no snapshot was asked for");
  socket.answer(frame, { subscription: "b", ...more, snapshot });
};

/** Answers the last subscription. */
const join = (socket: ScriptedSocket, more: object = place) => {
  const frame = callsOf(socket, false).at(-1);
  if (!frame) throw new Error("nothing was subscribed");
  socket.answer(frame, { subscription: "b", $subscription: true, ...more });
};

async function live(options: Parameters<Client["live"]>[3] = {}, more?: Partial<ClientOptions>) {
  const script = await connected(more);
  const state = script.client.live("board", { board: "b1" }, append, options);
  const seen = consume(state);
  await settled();
  return { ...script, state, seen };
}

describe("Live state", () => {
  it("is the snapshot first, then what each event makes of it", async () => {
    const { client, socket, seen } = await live();
    expect(socket.frames.slice(1).map(({ params }) => params)).to.deep.equal([
      { board: "b1", $snapshot: false },
      { board: "b1", $snapshot: true },
    ]);
    join(socket);
    give(socket, ["one"]);
    event(socket, "b", "two", { offset: 2 });
    event(socket, "b", "three", { offset: 3 });
    await settled();
    expect(seen.events).to.deep.equal([
      { state: ["one"], event: undefined, reset: true },
      { state: ["one", "two"], event: "two", reset: false },
      { state: ["one", "two", "three"], event: "three", reset: false },
    ]);
    expect(callsOf(socket, true)).to.have.length(1);
    await client.close();
    await settled();
    expect(seen).to.include({ isDone: true }).and.not.have.property("error");
  });

  it("takes no snapshot of before its subscription, which was refused for the moment", async () => {
    const { client, socket, seen, pass } = await live();
    socket.refuse(callsOf(socket, false)[0] as never, errorOf("timeout"));
    give(socket, ["old"]);
    event(socket, "b", "missed", { offset: 2 });
    await settled();
    expect(seen.events).to.deep.equal([]);
    await pass(20_000);
    expect(callsOf(socket, false)).to.have.length(2);
    join(socket, { epoch: "e", offset: 2 });
    await settled();
    expect(callsOf(socket, true)).to.have.length(2);
    give(socket, ["old", "missed"], { epoch: "e", offset: 2 });
    await settled();
    expect(seen.events).to.deep.equal([
      { state: ["old", "missed"], event: undefined, reset: true },
    ]);
    await client.close();
  });

  it("ends without an error when the client is closed before it has begun", async () => {
    const { client, seen, clock } = await live();
    await client.close();
    await settled();
    expect(seen).to.include({ isDone: true }).and.not.have.property("error");
    expect(clock.pending).to.equal(0);

    const other = await live();
    await other.state[Symbol.asyncIterator]().return();
    await settled();
    expect(other.seen).to.include({ isDone: true }).and.not.have.property("error");
    join(other.socket);
    await settled();
    expect(other.socket.count("unsubscribe")).to.equal(1);
    await other.client.close();
  });

  it("rejects with what refuses its subscription, and for a name that is a method's", async () => {
    const { client, socket, seen } = await live();
    socket.refuse(callsOf(socket, false)[0] as never, errorOf("forbidden"));
    await settled();
    expect(seen.error).to.include({ code: "forbidden" });
    await client.close();

    const other = await live();
    other.socket.answer(callsOf(other.socket, false)[0] as never, { ok: true });
    await settled();
    expect(other.seen.error).to.include({ code: "no_subscription" });
    await other.client.close();
  });

  it("keeps the events from the call on, and applies them after the snapshot", async () => {
    const { client, socket, seen } = await live();
    join(socket);
    event(socket, "b", "two", { offset: 2 });
    await settled();
    expect(seen.events).to.deep.equal([]); // nothing to apply it to
    give(socket, ["one"]);
    await settled();
    expect(seen.events.map((one) => (one as { state: unknown }).state)).to.deep.equal([
      ["one"],
      ["one", "two"],
    ]);
    await client.close();
  });

  it("is reset at a gap, and shows no state in between", async () => {
    const { client, socket, seen } = await live();
    join(socket);
    give(socket, ["one"]);
    await settled();
    event(socket, "b", "five", { offset: 5, gap: true });
    await settled();
    expect(seen.events).to.have.length(1);
    expect(callsOf(socket, true)).to.have.length(2);
    give(socket, ["one", "two", "five"], { epoch: "e", offset: 5 });
    event(socket, "b", "six", { offset: 6 });
    await settled();
    expect(seen.events.slice(1).map((one) => [...Object.values(one as object)])).to.deep.equal([
      [["one", "two", "five"], undefined, true],
      [["one", "two", "five", "five"], "five", false], // was contained already
      [["one", "two", "five", "five", "six"], "six", false],
    ]);
    await client.close();
  });

  it("goes on over a connection whose history was recovered, and is reset otherwise", async () => {
    for (const recovered of [true, false]) {
      const all = await live();
      const { client, socket, seen } = all;
      join(socket);
      give(socket, ["one"]);
      await settled();
      const next = await reconnected(all);
      expect(callsOf(next, false)[0]?.params).to.deep.include({ $snapshot: false, $since: place });
      join(next, { epoch: "e", offset: recovered ? 1 : 4, recovered });
      await settled();
      expect(callsOf(next, true)).to.have.length(recovered ? 0 : 1);
      if (!recovered) give(next, ["four"], { epoch: "e", offset: 4 });
      event(next, "b", "five", { offset: 5 });
      await settled();
      expect(seen.events.at(-1)).to.deep.equal({
        state: recovered ? ["one", "five"] : ["four", "five"],
        event: "five",
        reset: false,
      });
      expect(seen.events).to.have.length(recovered ? 2 : 3);
      await client.close();
    }
  });

  it("is reset when its own queue overflows, with one call however many events come", async () => {
    const { client, socket } = await connected();
    const state = client.live("board", undefined, append, { buffer: 2 })[Symbol.asyncIterator]();
    const first = state.next();
    await settled();
    join(socket);
    give(socket, []);
    expect((await first).value).to.include({ reset: true });
    for (let offset = 2; offset < 20; offset++) event(socket, "b", offset, { offset });
    const second = state.next();
    await settled();
    expect(callsOf(socket, true)).to.have.length(2);
    give(socket, ["all"], { epoch: "e", offset: 19 });
    expect((await second).value).to.deep.equal({ state: ["all"], event: undefined, reset: true });
    expect((await state.next()).value).to.include({ event: 18 });
    await client.close();
  });

  it("asks again for a snapshot over a lost connection, and after a temporary failure", async () => {
    const all = await live();
    const { client, socket, pass } = all;
    join(socket);
    const next = await reconnected(all);
    join(next);
    expect(callsOf(next, true)).to.have.length(1);
    for (const error of [errorOf("timeout"), errorOf("overloaded", { retryAfter: 1 })]) {
      const asked = callsOf(next, true).length;
      next.refuse(callsOf(next, true).at(-1) as never, error);
      await settled();
      expect(callsOf(next, true)).to.have.length(asked);
      await pass(20_000);
      expect(callsOf(next, true)).to.have.length(asked + 1);
    }
    give(next, ["one"]);
    await settled();
    expect(all.seen.events).to.have.length(1);
    await client.close();
  });

  it("rejects with a final failure of the snapshot, and is unsubscribed", async () => {
    const { client, socket, seen } = await live();
    join(socket);
    socket.refuse(callsOf(socket, true)[0] as never, standardError("internal"));
    await settled();
    expect(seen.error).to.be.instanceOf(RpcError).with.property("code", "internal_error");
    expect(socket.last("unsubscribe").params).to.deep.equal({ subscription: "b" });
    await client.close();
  });

  it("says what is missing where the answer has no snapshot", async () => {
    const { client, socket, seen } = await live();
    join(socket);
    socket.answer(callsOf(socket, true)[0] as never, { subscription: "b" });
    await settled();
    expect(seen.error)
      .to.include({ code: "no_snapshot" })
      .and.have.property("message")
      .that.includes('give its topic the option "snapshot"');
    await client.close();
  });

  it("takes null for a state, as it takes any other", async () => {
    const { client, socket, seen } = await live();
    join(socket);
    give(socket, null);
    await settled();
    expect(seen.events).to.deep.equal([{ state: null, event: undefined, reset: true }]);
    await client.close();
  });

  it("ends as its subscription does, also while a snapshot is made", async () => {
    const { socket, seen, client } = await live();
    join(socket);
    give(socket, []);
    await settled();
    ended(socket, "b", "forbidden");
    await settled();
    expect(seen.error).to.include({ code: "subscription_ended", reason: "forbidden" });
    await client.close();

    const other = await live();
    join(other.socket);
    await other.client.close();
    await settled();
    expect(other.seen).to.include({ isDone: true }).and.not.have.property("error");
    expect(other.clock.pending).to.equal(0);
  });

  it("ends by its signal, and by return(), and asks for nothing afterwards", async () => {
    for (const isBySignal of [true, false]) {
      const controller = new AbortController();
      const all = await live({ signal: controller.signal });
      join(all.socket);
      if (isBySignal) controller.abort("enough");
      else await all.state[Symbol.asyncIterator]().return();
      await settled();
      if (isBySignal) expect(all.seen.error).to.include({ code: "aborted", cause: "enough" });
      else expect(all.seen).to.include({ isDone: true });
      expect(all.socket.count("unsubscribe")).to.equal(1);
      const next = await reconnected(all);
      expect(next.count("board")).to.equal(0);
      expect(
        await all.state[Symbol.asyncIterator]()
          .next()
          .catch(() => "over"),
      ).to.deep.equal({
        done: true,
        value: undefined,
      });
      await all.client.close();
    }
  });

  it("rejects for another user, whether it was current or not", async () => {
    for (const isCurrent of [true, false]) {
      const all = await live();
      join(all.socket);
      if (isCurrent) give(all.socket, []);
      await settled();
      await reconnected(all, { subject: "grace" });
      await settled();
      expect(all.seen.error).to.include({ code: "subject_changed" });
      await all.client.close();
    }
  });

  it("ends when reduce throws, and rejects with that", async () => {
    const { client, socket } = await connected();
    const seen = consume(
      client.live("board", undefined, () => {
        throw new Error("no such card");
      }),
    );
    await settled();
    join(socket);
    give(socket, []);
    event(socket, "b", "one", { offset: 2 });
    await settled();
    expect(seen.error).to.be.an("error").with.property("message", "no such card");
    expect(socket.count("unsubscribe")).to.equal(1);
    await client.close();
  });

  it("gives several readers the steps in order", async () => {
    const { client, socket } = await connected();
    const state = client.live("board", undefined, append)[Symbol.asyncIterator]();
    const outcomes = [1, 2, 3].map(() => outcomeOf(state.next()));
    await settled();
    join(socket);
    give(socket, []);
    event(socket, "b", 1, { offset: 2 });
    event(socket, "b", 2, { offset: 3 });
    await settled();
    expect(outcomes.map(({ value }) => value?.value?.state)).to.deep.equal([[], [1], [1, 2]]);
    await client.close();
  });

  it("stands beside a plain subscription of the same topic", async () => {
    const { client, socket, seen } = await live();
    const plain = consume(client.subscribe("board", { board: "b1" }));
    join(socket);
    const answer = { subscription: "b", $subscription: true, ...place };
    socket.answer(callsOf(socket, false)[0] as never, answer);
    give(socket, []);
    event(socket, "b", "two", { offset: 2 });
    await settled();
    expect(plain.events).to.deep.equal(["two"]);
    expect(seen.events.at(-1)).to.include({ event: "two" });
    await client.close();
  });

  it("refuses params by position, and an option that doesn't exist", async () => {
    const { client, socket } = await connected();
    expect(() => client.live("board", [1], append)).to.throw(TypeError, "params by name");
    expect(() => client.live("board", undefined, append, { gaps: true } as object)).to.throw(
      TypeError,
      "option gaps: not one of signal,buffer",
    );
    expect(socket.count("board")).to.equal(0);
    await client.close();
  });
});
