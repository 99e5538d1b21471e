import { expect } from "chai";
import { expectError } from "../helpers/server/expected.js";
import { ask, exchange, leftovers, request, resultOf } from "../helpers/server/frames.js";
import { startLiveBoards } from "../helpers/server/live-board.js";

const board = { board: "b1" };
const card = (id: string) => ({ id, text: id });

describe("PROTOCOL.md, snapshots", () => {
  it("rpc.discover says which subscriptions make them", async () => {
    await using server = await startLiveBoards();
    const { methods } = (await resultOf(await server.login(), "rpc.discover")) as unknown as {
      methods: { name: string; "x-subscription"?: object }[];
    };
    const made = methods
      .filter((method) => method["x-subscription"] !== undefined)
      .map((method) => [method.name, Object(method["x-subscription"]).snapshot]);
    expect(Object.fromEntries(made)).to.deep.equal({
      ...{ cards: true, plain: true, mine: true, ending: true },
      ...{ bare: false, ticks: false },
    });
  });

  it("the answer has the state and the place from before it; without a history only the state", async () => {
    await using server = await startLiveBoards();
    await server.put("c1", "c1", ["cards", "plain"]);
    const client = await server.login();
    const { epoch, ...kept } = await resultOf(client, "cards", board);
    expect(epoch).to.be.a("string");
    expect(kept).to.deep.equal({
      ...{ subscription: "cards:b1", offset: 1, $subscription: true },
      snapshot: [card("c1")],
    });
    expect(await resultOf(client, "plain", board)).to.deep.equal({
      ...{ subscription: "plain:b1", $subscription: true },
      snapshot: [card("c1")],
    });
  });

  it("events of meanwhile follow the answer, one contained in the snapshot too", async () => {
    await using server = await startLiveBoards();
    const client = await server.login();
    server.desk.isHeld = true;
    await exchange(client, request(1, "cards", board));
    await server.put("c1", "c1", ["cards"]);
    server.desk.finish(); // reads the cards only now
    const [answer, event] = await leftovers(client);
    expect(answer?.result).to.deep.include({ offset: 0, snapshot: [card("c1")] });
    expect(event?.params).to.deep.include({ offset: 1, data: card("c1") });
  });

  it("$since: none when all that was missed follows, one when nothing of it does", async () => {
    await using server = await startLiveBoards();
    const first = await server.login();
    const { epoch } = await resultOf(first, "cards", board);
    await server.put("c1", "c1", ["cards"]);
    const back = await server.login("bob");
    const $since = { epoch, offset: 0 };
    const [recovered, event] = await exchange(back, request(1, "cards", { ...board, $since }));
    expect(recovered?.result).to.include({ recovered: true }).and.not.have.property("snapshot");
    expect(event?.params).to.deep.include({ offset: 1 });
    const late = await server.login("eve");
    expect(
      await resultOf(late, "cards", { ...board, $since: { epoch: "another", offset: 0 } }),
    ).to.deep.include({ recovered: false, offset: 1, snapshot: [card("c1")] });
  });

  it("after a gap $snapshot: true gives a fresh one under the same id, and the events behind it follow", async () => {
    await using server = await startLiveBoards();
    const client = await server.login();
    server.desk.isHeld = true;
    await exchange(client, request(1, "cards", board));
    for (let n = 0; n < 65; n++) await server.put("c1", `${n}`, ["cards"]);
    server.desk.finish([]);
    const [, first] = await leftovers(client);
    expect(first?.params).to.include({ gap: true, offset: 2 });
    await exchange(client, request(2, "cards", { ...board, $snapshot: true }));
    await server.put("c2", "c2", ["cards"]);
    server.desk.finish([card("c1")]);
    const [answer, event, ...more] = await leftovers(client);
    expect(answer).to.deep.include({ id: 2 });
    expect(answer?.result).to.deep.include({
      ...{ subscription: "cards:b1", offset: 65, snapshot: [card("c1")] },
    });
    expect(event?.params).to.deep.include({ offset: 66, data: card("c2") });
    expect(more).to.deep.equal([]);
  });

  it("$snapshot: false asks for none; other values, and true where there are none, are -32602", async () => {
    await using server = await startLiveBoards();
    const client = await server.login();
    const without = { ...board, $snapshot: false };
    expect(await resultOf(client, "cards", without)).to.not.have.property("snapshot");
    expect(await resultOf(client, "bare", without)).to.not.have.property("snapshot");
    expect(server.desk.made).to.equal(0);
    for (const [method, $snapshot] of [
      ["cards", "true"],
      ["cards", 0],
      ["bare", true],
      ["ticks", true],
    ] as const)
      expect((await ask(client, method, { ...board, $snapshot })).error?.code).to.equal(-32602);
  });

  it("a first call without a snapshot has subscribed to nothing, a further one to the same as before", async () => {
    await using server = await startLiveBoards();
    const client = await server.login();
    server.desk.isHeld = true;
    for (const [failure, code] of [
      [() => server.desk.out.shift()?.reject(new Error("no database")), -32603],
      [() => server.clock.advance(30_000), -32008],
      [() => server.desk.finish(["x".repeat(1_048_576)]), -32010],
      [() => server.server.unsubscribe({ subject: "ada" }), -32003],
    ] as const) {
      await exchange(client, request(1, "cards", board));
      await failure();
      const [answer] = await leftovers(client);
      expect(answer?.error?.code).to.equal(code);
      server.desk.out.length = 0;
      await server.put("c1", "c1", ["cards"]);
      expect(await leftovers(client), `${code}`).to.deep.equal([]);
    }
    await exchange(client, request(2, "cards", board));
    server.desk.finish([]);
    await leftovers(client);
    await exchange(client, request(3, "cards", { ...board, $snapshot: true }));
    server.clock.advance(30_000);
    expectError((await leftovers(client))[0], "timeout");
    await server.put("c2", "c2", ["cards"]);
    expect((await leftovers(client))[0]?.params).to.deep.include({ data: card("c2") });
  });
});
