import { expect } from "chai";
import { silentLogger } from "../../../src/runtime/logger.js";
import { NodeMessages } from "../../../src/server/cluster/node-messages.js";
import { NodeQueries } from "../../../src/server/cluster/node-queries.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { TestBus } from "../../helpers/server/test-bus.js";

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Nodes of one deployment, each of which answers with its name. */
async function deployment(...names: readonly string[]) {
  const [bus, clock] = [new TestBus(), new ManualClock()];
  const nodes = names.map((name) => {
    const messages = new NodeMessages(name, bus, silentLogger);
    const queries = new NodeQueries(messages, clock, silentLogger);
    queries.about("name", () => name);
    return { messages, queries };
  });
  await settled();
  const [first] = nodes;
  if (first === undefined) throw new Error("no nodes");
  const ask = async () => {
    const { answers, complete } = await first.queries.ask("name", null);
    return [[...answers.values()].sort(), complete];
  };
  const close = () => {
    for (const { queries } of nodes) queries.close();
  };
  return { bus, clock, nodes, first, ask, close };
}

describe("A question to all nodes", () => {
  it("is answered by all, and at once by one that is alone", async () => {
    for (const names of [["a", "b", "c"], ["a"]]) {
      const { ask, close } = await deployment(...names);
      expect(await ask()).to.deep.equal([names, true]);
      close();
    }
  });

  it("is not complete when nobody can be reached, though nobody is known to be missing", async () => {
    const { bus, ask, close } = await deployment("a");
    bus.isBroken = true;
    expect(await ask()).to.deep.equal([["a"], false]);
    bus.isBroken = false;
    expect(await ask()).to.deep.equal([["a"], true]);
    close();
  });

  it("waits a second for one that was there and is silent, and no more for it after three of its greetings are missing", async () => {
    const { clock, nodes, ask, close } = await deployment("a", "b");
    const [, gone] = nodes;
    if (gone === undefined) throw new Error("there is one node only");
    gone.messages.close();
    gone.messages.send = async () => {}; // not even a goodbye
    const asked = ask();
    await settled();
    clock.advance(1_000);
    expect(await asked).to.deep.equal([["a"], false]);
    clock.advance(15_001);
    expect(await ask()).to.deep.equal([["a"], true]);
    close();
  });

  it("ends with its node, however many have still to answer", async () => {
    const { nodes, first, ask } = await deployment("a", "b");
    nodes[1]?.messages.close();
    const asked = ask();
    await settled();
    first.queries.close();
    expect(await asked).to.deep.equal([["a"], false]);
    nodes[1]?.queries.close();
  });

  it("knows a thousand nodes at most, whatever is said in whose name", async () => {
    const { bus, clock, ask, close } = await deployment("a");
    for (let n = 0; n < 1_100; n++)
      await bus.send(JSON.stringify({ v: 1, from: `node ${n}`, type: "hello", body: null }));
    const sent = bus.sent.length;
    await bus.send(JSON.stringify({ v: 1, from: "node 1099", type: "hello", body: null }));
    await settled();
    expect(bus.sent, "no greeting for one too many").to.have.length(sent + 1);
    const asked = ask();
    await settled();
    clock.advance(1_000);
    expect((await asked)[1]).to.equal(false);
    close();
  });
});
