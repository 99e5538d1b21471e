import { expect } from "chai";
import { Timeline } from "../../../console/model/timeline/timeline.js";

/** A timeline whose listeners are told when the test says so. */
function timeline() {
  const waiting: (() => void)[] = [];
  const made = new Timeline((callback) => void waiting.push(callback));
  const turn = () => {
    for (const callback of waiting.splice(0)) callback();
  };
  return { timeline: made, turn, waiting };
}

describe("The console's timeline", () => {
  it("pairs a response with its request by the id, and tells what was asked, how long it took, and whether it failed", () => {
    const { timeline: line } = timeline();
    line.frame("out", '{"jsonrpc":"2.0","id":1,"method":"a"}');
    line.frame("out", '{"jsonrpc":"2.0","id":"1","method":"b"}');
    line.frame("in", '{"jsonrpc":"2.0","id":"1","error":{"code":1,"message":"no"}}');
    line.frame("in", '{"jsonrpc":"2.0","id":1,"result":null}');
    line.frame("in", '{"jsonrpc":"2.0","id":1,"result":null}'); // nobody asked twice
    const [, , failed, answered, stray] = line.entries;
    expect(failed).to.include({ title: "b", answers: 2, tone: "bad", topic: "call" });
    expect(answered).to.include({ title: "a", answers: 1, tone: "plain" });
    expect(answered?.took).to.be.at.least(0);
    expect(stray).to.include({ title: "response" }).and.not.have.any.keys("answers", "took");
  });

  it("knows calls, what is about the session, pushes, batches, and what is no JSON", () => {
    const { timeline: line } = timeline();
    for (const text of [
      '{"method":"auth.expiring"}',
      '{"method":"order.created"}',
      '[{"id":1,"result":1},{"id":2,"result":2}]',
      "?",
    ])
      line.frame("in", text);
    line.frame("out", '{"id":3,"method":"refresh","params":{}}');
    expect(line.entries.map(({ topic, title, tone }) => `${topic} ${title} ${tone}`)).to.deep.equal(
      [
        "auth auth.expiring warn",
        "event order.created plain",
        "call batch of 2 plain",
        "call not JSON plain",
        "auth refresh plain",
      ],
    );
    expect(line.entries.map(({ size }) => size)).to.deep.equal([26, 26, 41, 1, 39]);
  });

  it("forgets what was asked on a socket that is gone", () => {
    const { timeline: line } = timeline();
    line.frame("out", '{"id":1,"method":"a"}');
    line.forgetAsked();
    line.frame("in", '{"id":1,"result":1}');
    expect(line.entries[1]).to.not.have.any.keys("answers");
  });

  it("keeps the newest 1000 entries and 4 million characters, and cuts a long one", () => {
    const { timeline: line } = timeline();
    for (let count = 0; count < 1_200; count++) line.frame("in", `{"method":"m${count}"}`);
    expect(line.entries).to.have.lengthOf(1_000);
    expect(line.entries.at(-1)?.title).to.equal("m1199");
    for (let count = 0; count < 60; count++)
      line.frame("in", JSON.stringify({ method: "big", params: "x".repeat(150_000) }));
    const characters = line.entries.reduce((sum, { text }) => sum + text.length, 0);
    expect(characters).to.be.within(3_800_000, 4_000_000);
    expect(line.entries.at(-1)).to.include({ size: 150_028 });
    line.clear();
    expect(line.entries).to.deep.equal([]);
  });

  it("tells its listeners once for many frames", () => {
    const { timeline: line, turn, waiting } = timeline();
    let told = 0;
    line.version.subscribe(() => told++);
    for (let count = 0; count < 5; count++) line.note("something");
    expect([told, waiting.length]).to.deep.equal([0, 1]);
    turn();
    expect(told).to.equal(1);
    line.note("more");
    turn();
    expect(told).to.equal(2);
  });

  it("exports all of it, without secrets", () => {
    const { timeline: line } = timeline();
    line.frame("out", '{"id":1,"method":"refresh","params":{"refreshToken":"SLJR9W"}}');
    line.note("socket open", "good");
    const { entries } = JSON.parse(line.export()) as { entries: Record<string, unknown>[] };
    expect(entries[0]).to.deep.include({
      direction: "out",
      frame: { id: 1, method: "refresh", params: { refreshToken: "‹hidden, 6 characters›" } },
    });
    expect(entries[1]).to.include({ title: "socket open", frame: null });
    expect(line.export()).to.not.include("SLJR9W");
  });
});
