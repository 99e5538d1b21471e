import { expect } from "chai";
import { eventually } from "../../helpers/eventually.js";
import { BoardRule, startBoards } from "../../helpers/server/board.js";
import { CuttableBus } from "../../helpers/server/cuttable-bus.js";
import { leftovers, resultOf } from "../../helpers/server/frames.js";

const board = { board: "b1" };

async function startNodes() {
  const shared = new CuttableBus();
  const ends = [shared.end(), shared.end()];
  const rule = new BoardRule();
  const [first, second] = [
    await startBoards({}, ends[0]?.bus, rule),
    await startBoards({}, ends[1]?.bus, rule),
  ];
  // each has heard of the other
  await eventually(async () => {
    expect((await first.server.sessions()).nodes).to.equal(2);
    expect((await second.server.sessions()).nodes).to.equal(2);
  });
  rule.allow("ada");
  const ada = await second.login("ada");
  await resultOf(ada, "cards", board);
  const end = async () => {
    await first.close();
    await second.close();
  };
  return { first, second, ada, rule, far: ends[1], [Symbol.asyncDispose]: end };
}

const methodsOf = async (client: Parameters<typeof leftovers>[0]) =>
  (await leftovers(client)).map(({ method, params }) => params?.data ?? method);

describe("A right that is taken away on another node", () => {
  it("sends no event any more once reauthorize has resolved", async () => {
    for (const isMember of [false, true]) {
      await using nodes = await startNodes();
      if (!isMember) nodes.rule.remove("ada");
      const result = await nodes.first.server.reauthorize({ subject: "ada" });
      expect(result).to.deep.equal({ asked: 1, ended: isMember ? 0 : 1, complete: true });
      await nodes.first.server.publish(nodes.first.app.routes.cards, board, "card");
      expect(await methodsOf(nodes.ada)).to.deep.equal([isMember ? "card" : "subscription.ended"]);
    }
  });

  it("sends none while a slow rule is out, for which reauthorize does not wait for ever", async () => {
    await using nodes = await startNodes();
    nodes.rule.isHeld = true;
    const done = nodes.first.server.reauthorize({ topic: nodes.first.app.routes.cards });
    await eventually(async () => expect(nodes.rule.out.length).to.equal(1));
    nodes.second.clock.advance(800);
    expect(await done).to.deep.equal({ asked: 1, ended: 0, complete: true });
    await nodes.first.server.publish(nodes.first.app.routes.cards, board, "card");
    expect(await methodsOf(nodes.ada)).to.deep.equal([]);
    nodes.rule.answerAll(false);
    expect(await methodsOf(nodes.ada)).to.deep.equal(["subscription.ended"]);
  });

  it("is asked for by a node that was cut off as soon as it is back, before it sends anything", async () => {
    for (const isMember of [false, true]) {
      await using nodes = await startNodes();
      nodes.far?.cut();
      if (!isMember) nodes.rule.remove("ada");
      const done = nodes.first.server.reauthorize({ subject: "ada" });
      nodes.first.clock.advance(1_000);
      expect(await done).to.deep.equal({ asked: 0, ended: 0, complete: false });
      const told = nodes.first.log.filter(
        ({ fields }) => fields.event === "reauthorize.incomplete",
      );
      expect(told.length).to.equal(1);
      nodes.far?.join();
      await nodes.first.server.publish(nodes.first.app.routes.cards, board, "card");
      expect(await methodsOf(nodes.ada)).to.deep.equal([isMember ? "card" : "subscription.ended"]);
    }
  });

  it("is taken away by unsubscribe on every node", async () => {
    await using nodes = await startNodes();
    const { cards } = nodes.first.app.routes;
    expect(await nodes.first.server.unsubscribe({ subject: "ada", topic: cards })).to.deep.equal({
      ended: 1,
      complete: true,
    });
    expect(await methodsOf(nodes.ada)).to.deep.equal(["subscription.ended"]);
  });
});
