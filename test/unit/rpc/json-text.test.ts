import { expect } from "chai";
import fc from "fast-check";
import { isJsonText } from "../../../src/rpc/json/json-text.js";

function isParsed(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Characters that mean something in JSON, so that what is changed by them is nearly JSON. */
const meaningful = fc.constantFrom(
  ...'{}[],:"\\/ \n\t0123456789.-+eEtrufalsn',
  "\u0000",
  "\u00a0",
  "é",
  "\ud800",
);

describe("a JSON text", () => {
  for (const text of [
    "null",
    " [ ] ",
    "{}",
    '{"a":[1,-0.5e+3,{"b":{}}],"":"\\u00e9\\n"}',
    "0",
    '"a"',
    "[[[]],[]]",
    "\ttrue\r\n",
  ]) {
    it(`is ${JSON.stringify(text)}`, () => {
      expect(isJsonText(text)).to.equal(true);
    });
  }

  for (const text of [
    "",
    " ",
    "{",
    "[1,]",
    '{"a":1,}',
    "{a:1}",
    '{"a" 1}',
    "[1 2]",
    "}",
    "[}",
    "01",
    "1.",
    "+1",
    "nul",
    '"\\x"',
    '"\\u12g4"',
    '"',
    '"\n"',
    "{}{}",
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => {
      expect(isJsonText(text)).to.equal(false);
    });
  }

  it("is what JSON.parse takes, whatever the value", () => {
    fc.assert(fc.property(fc.json(), (text) => isJsonText(text)));
  });

  it("is what JSON.parse takes and nothing else, when it is damaged", () => {
    const damaged = fc
      .tuple(fc.json({ maxDepth: 4 }), fc.nat(), fc.nat(3), fc.array(meaningful, { maxLength: 3 }))
      .map(([text, at, removed, added]) => {
        const from = at % (text.length + 1);
        return text.slice(0, from) + added.join("") + text.slice(from + removed);
      });
    fc.assert(
      fc.property(damaged, (text) => isJsonText(text) === isParsed(text)),
      { numRuns: 5_000 },
    );
  });

  it("is what JSON.parse takes and nothing else, when it is thrown together", () => {
    const heap = fc.array(meaningful, { maxLength: 8 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(heap, (text) => isJsonText(text) === isParsed(text)),
      { numRuns: 5_000 },
    );
  });
});
