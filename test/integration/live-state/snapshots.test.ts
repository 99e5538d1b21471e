import { expect } from "chai";
import { createRpc } from "../../../src/index.js";
import { createRegistry } from "../../../src/rpc/define/registry.js";
import { expectError } from "../../helpers/server/expected.js";
import {
  ask,
  exchange,
  type Frame,
  leftovers,
  request,
  resultOf,
} from "../../helpers/server/frames.js";
import { type Card, startLiveBoards } from "../../helpers/server/live-board.js";

const board = { board: "b1" };

/** The texts of the cards in these events. */
const dataOf = (frames: readonly Frame[]) =>
  frames
    .filter(({ method }) => method === "subscription.event")
    .map(({ params }) => (params as { readonly data: Card }).data.text);

describe("The answer to the subscription of a topic with a snapshot", () => {
  it("carries the state and the place before it, and events of meanwhile follow", async () => {
    for (const topic of ["cards", "plain"] as const) {
      await using server = await startLiveBoards();
      const ada = await server.login();
      await server.put("c1", "one", [topic]);
      server.desk.isHeld = true;
      const early = await exchange(ada, request(1, topic, board));
      expect(early, "no answer, and no event before it").to.deep.equal([]);
      await server.put("c2", "two", [topic]);
      await server.put("c3", "three", [topic]);
      expect(await leftovers(ada), "nor later").to.deep.equal([]);
      server.desk.finish(["as the test says"]);
      const [answer, ...events] = await leftovers(ada);
      expect(answer?.result).to.deep.include({ snapshot: ["as the test says"] });
      if (topic === "cards") expect(answer?.result).to.include({ offset: 1 });
      else expect(answer?.result).to.not.have.any.keys("offset", "epoch");
      expect(events.map(({ params }) => params?.data)).to.deep.equal([
        { id: "c2", text: "two" },
        { id: "c3", text: "three" },
      ]);
    }
  });

  it("has none without the option, with $snapshot: false, and when all missed events follow", async () => {
    await using server = await startLiveBoards();
    const ada = await server.login();
    expect(await resultOf(ada, "bare", board)).to.not.have.property("snapshot");
    const bob = await server.login("bob");
    const { epoch, offset, snapshot } = await resultOf(bob, "cards", board);
    expect(snapshot).to.deep.equal([]);
    const eve = await server.login("eve");
    const back = await resultOf(eve, "cards", { ...board, $since: { epoch, offset } });
    expect(back).to.include({ recovered: true }).and.not.have.property("snapshot");
    const none = await resultOf(ada, "cards", { ...board, $snapshot: false });
    expect(none).to.not.have.property("snapshot");
    const lost = await resultOf(ada, "cards", { ...board, $since: { epoch: "else", offset: 1 } });
    expect(lost).to.deep.include({ recovered: false, snapshot: [] });
    expect((await ask(ada, "cards", { ...board, $snapshot: true })).result).to.deep.include({
      subscription: "cards:b1",
      snapshot: [],
    });
  });
});

describe("A further subscription call with $snapshot: true", () => {
  it("gives a fresh one on the same id, and events of meanwhile follow the answer in order", async () => {
    for (const topic of ["cards", "plain"] as const) {
      await using server = await startLiveBoards();
      const ada = await server.login();
      const first = await resultOf(ada, topic, board);
      await server.put("c1", "one", [topic]);
      expect(dataOf(await leftovers(ada))).to.deep.equal(["one"]);
      server.desk.isHeld = true;
      await exchange(ada, request(2, topic, { ...board, $snapshot: true }));
      await server.put("c2", "two", [topic]);
      await server.put("c3", "three", [topic]);
      expect(await leftovers(ada), "they wait").to.deep.equal([]);
      server.desk.finish(["fresh"]);
      const [answer, ...events] = await leftovers(ada);
      expect(answer?.result).to.deep.include({
        ...{ subscription: first.subscription, snapshot: ["fresh"], $subscription: true },
        ...(topic === "cards" ? { offset: 1, epoch: first.epoch } : {}),
      });
      expect(dataOf(events)).to.deep.equal(["two", "three"]);
      await server.put("c4", "four", [topic]);
      expect(dataOf(await leftovers(ada)), "and it goes on").to.deep.equal(["four"]);
      expect((await server.server.sessions()).sessions[0]).to.include({ subscriptions: 1 });
    }
  });

  it("that fails leaves the subscription, and the events that waited, as they are", async () => {
    await using server = await startLiveBoards();
    const ada = await server.login();
    await resultOf(ada, "cards", board);
    server.desk.isHeld = true;
    await exchange(ada, request(2, "cards", { ...board, $snapshot: true }));
    await server.put("c1", "one", ["cards"]);
    server.desk.out.shift()?.reject(new Error("no database"));
    const frames = await leftovers(ada);
    const answer = frames.find(({ id }) => id === 2);
    expect(answer?.error).to.include({ code: -32603 });
    expect(answer?.error?.data?.errorId).to.be.a("string");
    expect(dataOf(frames)).to.deep.equal(["one"]);
    const logged = server.log.filter(({ level }) => level === "error");
    expect(logged.map(({ fields }) => [fields.event, fields.errorId])).to.deep.equal([
      ["snapshot.fail", answer?.error?.data?.errorId],
    ]);
  });

  it("goes before $since, which is for those who have a state", async () => {
    await using server = await startLiveBoards();
    const ada = await server.login();
    await server.put("c1", "one", ["cards"]);
    await server.put("c2", "two", ["cards"]);
    const { epoch } = await resultOf(ada, "cards", { ...board, $snapshot: false });
    const bob = await server.login("bob");
    const $since = { epoch, offset: 1 };
    const [answer, ...events] = await exchange(
      bob,
      request(1, "cards", { ...board, $since, $snapshot: true }),
    );
    expect(answer?.result).to.include({ offset: 2 }).and.not.have.property("recovered");
    expect(answer?.result?.snapshot).to.have.length(2);
    expect(events).to.deep.equal([]);
  });

  it("is refused where there are none, and unless it is true or false", async () => {
    await using server = await startLiveBoards();
    const ada = await server.login();
    for (const [method, $snapshot, said] of [
      ["bare", true, 'bare makes no snapshots: leave out "$snapshot"'],
      ["ticks", true, 'ticks makes no snapshots: leave out "$snapshot"'],
      ["cards", 1, '"$snapshot" must be true or false'],
      ["bare", "yes", '"$snapshot" must be true or false'],
    ] as const) {
      const { error } = await ask(ada, method, { ...board, $snapshot });
      expect(error).to.include({ code: -32602 });
      expect(error?.data?.issues).to.deep.equal([{ path: ["$snapshot"], message: said }]);
    }
    for (const [method, $snapshot] of [
      ["bare", false],
      ["ticks", false],
      ["bare", null],
    ] as const)
      expect(await resultOf(ada, method, { ...board, $snapshot })).to.have.property("subscription");
  });
});

describe("Two consumers of a topic on one connection", () => {
  it("have a snapshot each, though the second comes while that of the first is made", async () => {
    await using server = await startLiveBoards();
    const ada = await server.login();
    server.desk.isHeld = true;
    await exchange(ada, request(1, "cards", board), request(2, "cards", board));
    expect(server.desk.made, "one for both").to.equal(1);
    await server.put("c1", "one", ["cards"]);
    await exchange(ada, request(3, "cards", board));
    server.desk.finish(["early"]);
    const early = await leftovers(ada);
    expect(early.map(({ id, result }) => [id, result?.snapshot, result?.offset])).to.deep.equal([
      [1, ["early"], 0],
      [2, ["early"], 0],
    ]);
    server.desk.finish(["late"]);
    const [third, ...events] = await leftovers(ada);
    expect(third?.result).to.deep.include({ snapshot: ["late"], offset: 1 });
    expect(dataOf(events), "once, after the last answer").to.deep.equal(["one"]);
  });

  it("both get theirs when one comes back with $since and begins the subscription anew", async () => {
    await using server = await startLiveBoards();
    const ada = await server.login();
    server.desk.isHeld = true;
    await exchange(ada, request(1, "cards", board));
    const $since = { epoch: "another", offset: 1 };
    await exchange(ada, request(2, "cards", { ...board, $since }));
    await server.put("c1", "one", ["cards"]);
    for (let n = 0; n < 4; n++) {
      server.desk.finish(["state"]);
      await leftovers(await server.login("bob"));
    }
    const frames = await leftovers(ada);
    const answers = frames.filter(({ id }) => id !== undefined);
    expect(answers.map(({ id, result }) => [id, result?.snapshot, result?.offset])).to.deep.equal([
      [2, ["state"], 0],
      [1, ["state"], 0],
    ]);
    expect(dataOf(frames)).to.deep.equal(["one"]);
    await server.put("c2", "two", ["cards"]);
    expect(dataOf(await leftovers(ada))).to.deep.equal(["two"]);
  });

  it("unsubscribed before the answer, a call is cancelled and leaves nothing behind", async () => {
    await using server = await startLiveBoards();
    const ada = await server.login();
    server.desk.isHeld = true;
    await exchange(ada, request(1, "cards", board));
    await resultOf(ada, "unsubscribe", { subscription: "cards:b1" });
    server.desk.finish(["state"]);
    const [answer] = await leftovers(ada);
    expectError(answer, "cancelled");
    await server.put("c1", "one", ["cards"]);
    expect(await leftovers(ada)).to.deep.equal([]);
  });
});

describe("A snapshot whose subscription must wait too long, or that is too large", () => {
  it("is followed by a gap when more events have come meanwhile than may wait", async () => {
    for (const topic of ["cards", "plain"] as const) {
      await using server = await startLiveBoards();
      const ada = await server.login();
      server.desk.isHeld = true;
      await exchange(ada, request(1, topic, board));
      for (let n = 1; n <= 65; n++) await server.put(`c${n}`, `${n}`, [topic]);
      server.desk.finish(["stale"]);
      const [answer, first, ...more] = await leftovers(ada);
      expect(answer?.result).to.deep.include({ snapshot: ["stale"] });
      expect(first?.params).to.deep.include({ gap: true, data: { id: "c2", text: "2" } });
      expect(more, "the newest of them, without another gap").to.have.length(63);
      for (const { params } of more) expect(params).to.not.have.property("gap");
      await exchange(ada, request(2, topic, { ...board, $snapshot: true }));
      server.desk.finish(["fresh"]);
      const [again] = await leftovers(ada);
      expect(again?.result?.snapshot).to.deep.equal(["fresh"]);
    }
  });

  it("with overflow: end, ends a live subscription, and marks one that begins", async () => {
    await using server = await startLiveBoards();
    const ada = await server.login();
    server.desk.isHeld = true;
    await exchange(ada, request(1, "ending", board));
    for (const id of ["c1", "c2", "c3"]) await server.put(id, id, ["ending"]);
    server.desk.finish(["stale"]);
    const [, first] = await leftovers(ada);
    expect(first?.params).to.include({ gap: true });
    await exchange(ada, request(2, "ending", { ...board, $snapshot: true }));
    for (const id of ["c4", "c5", "c6"]) await server.put(id, id, ["ending"]);
    server.desk.finish(["stale"]);
    const frames = await leftovers(ada);
    expect(frames.map(({ params }) => params?.reason)).to.include("slow");
    expectError(
      frames.find(({ id }) => id === 2),
      "overloaded",
    );
    expect((await server.server.sessions()).sessions[0]).to.include({ subscriptions: 0 });
  });

  it("over limits.responseBytes it is refused, and leaves nothing half subscribed", async () => {
    await using server = await startLiveBoards({ limits: { responseBytes: 1_000 } });
    const ada = await server.login();
    await server.put("c1", "x".repeat(900), []);
    expectError(await ask(ada, "cards", board), "too_large", { limit: 1_000 });
    expectError(
      ((await exchange(ada, [request(1, "cards", board)]))[0] as unknown as Frame[])[0],
      "too_large",
    );
    expect((await server.server.sessions()).sessions[0]).to.include({ subscriptions: 0 });
    await server.put("c1", "x", ["cards"]);
    expect(await leftovers(ada)).to.deep.equal([]);
    const { snapshot } = await resultOf(ada, "cards", board);
    expect(snapshot).to.deep.equal([{ id: "c1", text: "x" }]);
    await server.put("c1", "x".repeat(900), []);
    expectError(await ask(ada, "cards", { ...board, $snapshot: true }), "too_large");
    await server.put("c2", "still subscribed", ["cards"]);
    expect(dataOf(await leftovers(ada))).to.deep.equal(["still subscribed"]);
  });

  it("can not be declared with drop-newest, nor as anything but a function", () => {
    const rpc = createRpc();
    const snapshot = () => 1;
    for (const [options, said] of [
      [{ snapshot, overflow: "drop-newest" }, /with overflow "drop-newest"/],
      [{ snapshot: [] }, /snapshot must be a function/],
    ] as const) {
      const app = rpc.router({ board: rpc.topic({ key: () => "b", ...(options as object) }) });
      expect(() => createRegistry(app)).to.throw(TypeError, said);
    }
    for (const overflow of ["drop-oldest", "end"] as const)
      createRegistry(rpc.router({ board: rpc.topic({ key: () => "b", snapshot, overflow }) }));
  });
});
