import { expect } from "chai";
import { previewOf } from "../../../console/model/timeline/preview.js";
import { Timeline } from "../../../console/model/timeline/timeline.js";
import { TimelineReader } from "../../../console/model/timeline/timeline-reader.js";

const push = (topic: string, value: unknown) =>
  JSON.stringify({
    jsonrpc: "2.0",
    method: "subscription.event",
    params: { subscription: topic, offset: 1, data: { value } },
  });

/** A timeline and its reader. */
function reading() {
  const timeline = new Timeline((callback) => callback());
  const reader = new TimelineReader(timeline);
  const lines = () =>
    reader.rows.map(
      ({ entry, count }) => `${entry.title}${count > 1 ? ` x${count}` : ""} ${previewOf(entry)}`,
    );
  const keyOf = (title: string) =>
    reader.rows.find(({ entry }) => entry.title === title)?.key ?? "";
  return { timeline, reader, lines, keyOf };
}

describe("The reader of the console's timeline", () => {
  it("shows a push by its topic and its data, and pushes with nothing between them as one line of each topic", () => {
    const { timeline, reader, lines } = reading();
    for (let value = 1; value <= 3; value++)
      for (const topic of ["prices:A1", "prices:B2"]) timeline.frame("in", push(topic, value));
    expect(lines()).to.deep.equal(['prices:A1 x3 {"value":3}', 'prices:B2 x3 {"value":3}']);
    const [first] = reader.rows;
    timeline.note("socket open");
    timeline.frame("in", push("prices:A1", 4));
    expect(lines().slice(2)).to.deep.equal(["socket open ", 'prices:A1 {"value":4}']);
    expect(reader.rows[0]?.key).to.equal(first?.key); // the same line
    expect(reader.rows[0]?.entries.map(previewOf)).to.have.lengthOf(3);
  });

  it("counts the pushes of a line beyond those that are kept, and under the same key", () => {
    const { timeline, reader } = reading();
    timeline.frame("in", push("prices:A1", 0));
    const key = reader.rows[0]?.key;
    for (let value = 1; value < 1_500; value++) timeline.frame("in", push("prices:A1", value));
    expect(reader.rows).to.have.lengthOf(1);
    expect(reader.rows[0]).to.include({ key, count: 1_500 });
    expect(reader.rows[0]?.entries).to.have.lengthOf(1_000);
  });

  it("groups neither calls nor what is about the session", () => {
    const { timeline, reader } = reading();
    for (const id of [1, 2]) timeline.frame("out", `{"id":${id},"method":"ping"}`);
    for (let times = 0; times < 2; times++) timeline.frame("in", '{"method":"auth.expiring"}');
    expect(reader.rows.map(({ count }) => count)).to.deep.equal([1, 1, 1, 1]);
  });

  it("holds still while a row is open, and keeps that row whatever comes; goes on when told to", () => {
    const { timeline, reader, keyOf } = reading();
    timeline.frame("out", '{"id":1,"method":"ping"}');
    reader.open(keyOf("ping"));
    const rows = reader.rows;
    for (let value = 0; value < 2_000; value++) timeline.note(`note ${value}`);
    expect(reader.rows).to.deep.equal(rows);
    expect([reader.waiting, timeline.entries.length]).to.deep.equal([2_000, 1_000]);
    reader.resume();
    expect(reader.rows).to.have.lengthOf(1_000);
    expect(reader.waiting).to.equal(0);
    expect(reader.state.value).to.include({ opened: undefined, pausedBy: undefined });
  });

  it("goes on by itself at the end of the list and behind the focus, but not past an open row or the button", () => {
    const { reader, timeline, keyOf } = reading();
    timeline.frame("out", '{"id":1,"method":"ping"}');
    const pausedBy = () => reader.state.value.pausedBy;
    reader.pause("focus");
    reader.release("focus");
    expect(pausedBy()).to.equal(undefined);
    reader.pause("scroll");
    reader.pause("focus"); // a lesser cause
    reader.release("focus");
    expect(pausedBy()).to.equal("scroll");
    reader.release("scroll");
    expect(pausedBy()).to.equal(undefined);
    reader.open(keyOf("ping"));
    reader.release("scroll");
    expect(pausedBy()).to.equal("row");
    reader.close();
    reader.release("scroll");
    expect(pausedBy()).to.equal(undefined);
    reader.pause("button");
    reader.release("scroll");
    reader.release("focus");
    expect(pausedBy()).to.equal("button");
  });

  it("counts as new what the filter shows", () => {
    const { reader, timeline } = reading();
    reader.show({ filter: "bad" });
    reader.pause("button");
    timeline.frame("in", '{"id":9,"error":{"code":1,"message":"no"}}');
    timeline.note("socket open");
    expect(reader.waiting).to.equal(1);
    reader.show({ filter: "all" });
    expect(reader.waiting).to.equal(2);
  });

  it("leads from a response to its request and back, also past a filter that hides it", () => {
    const { reader, timeline } = reading();
    timeline.frame("out", '{"id":1,"method":"orders.create"}');
    timeline.frame("in", '{"id":1,"error":{"code":1001,"message":"OUT_OF_STOCK"}}');
    reader.show({ filter: "bad" });
    const [response] = reader.rows;
    const request = response && reader.pairOf(response.entry);
    expect(request).to.include({ direction: "out", title: "orders.create" });
    if (request === undefined) return;
    const key = reader.reveal(request);
    expect(reader.state.value).to.include({ filter: "all", opened: key });
    expect(reader.pairOf(request)).to.equal(response?.entry);
    reader.close();
    reader.show({ filter: "call" }); // does not hide it
    reader.reveal(request);
    expect(reader.state.value.filter).to.equal("call");
  });

  it("previews params, a result or an error; a batch, and what is no JSON, as they are", () => {
    const { timeline } = reading();
    const long = `"${"x".repeat(1_000)}"`;
    for (const text of [
      '{"jsonrpc":"2.0","id":1,"method":"a","params":{"sku":"A1"}}',
      '{"jsonrpc":"2.0","id":1,"result":null}',
      '{"jsonrpc":"2.0","id":2,"error":{"code":1}}',
      '{"jsonrpc":"2.0","id":3,"method":"b"}',
      "[1,2]",
      "?",
      `{"id":3,"result":${long}}`,
    ])
      timeline.frame("out", text);
    expect(timeline.entries.map(previewOf)).to.deep.equal([
      '{"sku":"A1"}',
      "null",
      '{"code":1}',
      "",
      "[1,2]",
      "?",
      long.slice(0, 400),
    ]);
  });
});
