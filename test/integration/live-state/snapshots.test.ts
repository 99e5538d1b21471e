import { expect } from "chai";
import { ask, exchange, leftovers, request, resultOf } from "../../helpers/server/frames.js";
import { startLiveBoards } from "../../helpers/server/live-board.js";

const board = { board: "b1" };

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
