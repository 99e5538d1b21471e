import { expect } from "chai";
import { excessOf, type JsonBounds } from "../../../src/rpc/json/json-bounds.js";

const endless: JsonBounds = {
  jsonDepth: Number.POSITIVE_INFINITY,
  jsonValues: Number.POSITIVE_INFINITY,
  objectMembers: Number.POSITIVE_INFINITY,
  stringBytes: Number.POSITIVE_INFINITY,
};
const judge = (text: string, bounds: Partial<JsonBounds>) =>
  excessOf(text, Buffer.byteLength(text), { ...endless, ...bounds });

/** How many values there are in what `JSON.parse` makes of a text. */
function count(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce((total: number, member) => total + count(member), 1);
}

/** Some JSON value that depends on the number alone. */
function sample(seed: number, levels = 4): unknown {
  const kind = seed % 7;
  const next = (n: number) => sample((seed * 31 + n * 17 + 7) % 10_007, levels - 1);
  if (levels === 0 || kind < 3) return [seed, 'a,b[{"]}\\', null, true, ""][seed % 5];
  const members = Array.from({ length: seed % 6 }, (_, n) => next(n));
  return kind < 5 ? members : Object.fromEntries(members.map((member, n) => [`${n},[{`, member]));
}

describe("The bounds of a JSON text", () => {
  it("count its values as the parser finds them, whatever they are, with and without spaces", () => {
    let judged = 0;
    for (let seed = 0; seed < 2_000; seed++) {
      const value = sample(seed);
      const nodes = count(value);
      for (const text of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
        if (nodes > 1) expect(judge(text, { jsonValues: nodes - 1 }), text).to.equal("jsonValues");
        expect(judge(text, { jsonValues: nodes }), text).to.equal(undefined);
        judged += Number(nodes > 5);
      }
    }
    expect(judged).to.be.above(500);
  });

  it("are those that have so many values in the fewest characters that there can be", () => {
    const ones = (length: number) => `[${Array(length).fill(1).join()}]`;
    expect(judge(ones(9_999), { jsonValues: 10_000 })).to.equal(undefined);
    expect(judge(ones(10_000), { jsonValues: 10_000 })).to.equal("jsonValues");
    expect(judge(`[${Array(5_000).fill("[]").join()}]`, { jsonValues: 5_000 })).to.equal(
      "jsonValues",
    );
  });

  it("count the members of each object by itself, one name that comes again too, and no elements of arrays", () => {
    const object = (keys: number) => `{${Array(keys).fill('"":1').join()}}`;
    expect(judge(object(1_000), { objectMembers: 1_000 })).to.equal(undefined);
    expect(judge(object(1_001), { objectMembers: 1_000 })).to.equal("objectMembers");
    expect(judge(`[${object(1_000)},${object(1_000)}]`, { objectMembers: 1_000 })).to.equal(
      undefined,
    );
    expect(judge(`[${object(2)},{"a":${object(1_001)}}]`, { objectMembers: 1_000 })).to.equal(
      "objectMembers",
    );
    expect(
      judge(`{"a":${object(1_000)},${object(999).slice(1)}`, { objectMembers: 1_000 }),
    ).to.equal(undefined);
    expect(
      judge(`{"a":${object(1_000)},${object(1_000).slice(1)}`, { objectMembers: 1_000 }),
    ).to.equal("objectMembers");
    expect(judge(`{"a":[${Array(5_000).fill(1).join()}]}`, { objectMembers: 1_000 })).to.equal(
      undefined,
    );
    expect(judge(JSON.stringify({ a: ",".repeat(10_000) }), { objectMembers: 1_000 })).to.equal(
      undefined,
    );
  });

  it("measure strings in bytes, names too, with what is escaped as it is written", () => {
    for (const [text, length] of [
      [JSON.stringify("x".repeat(300)), 300],
      [JSON.stringify(["a", "€".repeat(100)]), 300],
      [JSON.stringify({ ["x".repeat(300)]: 1 }), 300],
      [`"${"\\u0041".repeat(50)}"`, 300],
      [`"${'\\"'.repeat(150)}"`, 300],
    ] as const) {
      expect(judge(text, { stringBytes: length }), text).to.equal(undefined);
      expect(judge(text, { stringBytes: length - 1 }), text).to.equal("stringBytes");
    }
    expect(
      judge(JSON.stringify(["x".repeat(200), "y".repeat(200)]), { stringBytes: 300 }),
    ).to.equal(undefined);
  });

  it("find nesting in short texts and in long ones", () => {
    const deep = (levels: number, more = "") => `${"[".repeat(levels)}${more}${"]".repeat(levels)}`;
    for (const more of ["", Array(5_000).fill(1).join()]) {
      expect(judge(deep(64, more), { jsonDepth: 64, objectMembers: 1_000 })).to.equal(undefined);
      expect(judge(deep(65, more), { jsonDepth: 64, objectMembers: 1_000 })).to.equal("jsonDepth");
    }
  });

  it("are no bounds where they are 0", () => {
    const text = JSON.stringify({
      deep: JSON.parse("[".repeat(500) + "]".repeat(500)),
      wide: Array(20_000).fill({}),
      long: "x".repeat(50_000),
    });
    expect(judge(text, {})).to.equal(undefined);
    expect(judge(text, { objectMembers: 3 })).to.equal(undefined);
    expect(judge(text, { objectMembers: 2 })).to.equal("objectMembers");
  });

  it("leave what is no JSON to the parser, however its brackets stand", () => {
    for (const text of [
      ']]]],,,,"',
      "{{{{",
      ",".repeat(30),
      `"${"\\".repeat(31)}`,
      "",
      "]".repeat(40),
    ]) {
      expect(
        judge(text, { jsonDepth: 100, jsonValues: 100, objectMembers: 100, stringBytes: 100 }),
        text,
      ).to.equal(undefined);
      expect(
        () => judge(text, { jsonDepth: 1, jsonValues: 1, objectMembers: 1, stringBytes: 1 }),
        text,
      ).to.not.throw();
    }
  });
});
