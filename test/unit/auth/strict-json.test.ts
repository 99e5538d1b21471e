import { expect } from "chai";
import fc from "fast-check";
import { parseStrictObject } from "../../../src/auth/token/strict-json.js";

function complaint(source: string | Uint8Array): string {
  try {
    parseStrictObject(source);
  } catch (error) {
    if (error instanceof SyntaxError) return error.message;
    throw error;
  }
  return "none";
}

describe("strict JSON", () => {
  it("reads what JSON.parse reads", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })), (value) => {
        const text = JSON.stringify(value);
        if (text.includes("__proto__")) return;
        expect(JSON.stringify(parseStrictObject(text))).to.equal(JSON.stringify(JSON.parse(text)));
      }),
      { numRuns: 500 },
    );
  });

  it("refuses a member that appears twice, at any depth and however it is spelt", () => {
    expect(complaint('{"sub":"admin","sub":"u"}')).to.equal("a member appears twice");
    expect(complaint('{"\\u0073ub":"admin","sub":"u"}')).to.equal("a member appears twice");
    expect(complaint('{"a":[{"b":{"c":1,"d":2,"c":3}}]}')).to.equal("a member appears twice");
    expect(complaint('{"":1,"":2}')).to.equal("a member appears twice");
    expect(complaint('{"a" :1, "b":{}, "a":2}')).to.equal("a member appears twice");
    expect(complaint('{"__proto__":1,"__proto__":2}')).to.equal("a member appears twice");
  });

  it("takes the same name in different objects, and as a value", () => {
    expect(
      complaint('{"a":{"a":"a"},"b":[{"a":1},{"a":1}],"c":["a","a"],"d":"a\\",\\"a"}'),
    ).to.equal("none");
  });

  it("refuses lone surrogates and takes pairs", () => {
    expect(complaint('{"a":"\\ud800"}')).to.equal("a string with a lone surrogate");
    expect(complaint('{"\\udc00":1}')).to.equal("a string with a lone surrogate");
    expect(complaint('{"a":"\\ud83d\\ude00"}')).to.equal("none");
  });

  it("refuses bytes that are not UTF-8, UTF-16 and a byte order mark", () => {
    expect(complaint(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d))).to.equal(
      "not valid UTF-8",
    );
    expect(complaint(Uint8Array.of(0x7b, 0x22, 0xc0, 0x80, 0x22, 0x3a, 0x31, 0x7d))).to.equal(
      "not valid UTF-8",
    );
    expect(complaint(Buffer.from('{"a":1}', "utf16le"))).to.equal("not valid JSON");
    expect(complaint(Buffer.from('\ufeff{"a":1}'))).to.equal("not valid JSON");
    expect(complaint(Buffer.from('{"ä":1}'))).to.equal("none");
  });

  it("refuses deep nesting without a stack overflow", () => {
    const nested = (depth: number) => `${'{"a":'.repeat(depth - 1)}{}${"}".repeat(depth - 1)}`;
    expect(complaint(nested(32))).to.equal("none");
    expect(complaint(nested(33))).to.equal("nested deeper than 32");
    expect(complaint(`{"a":${"[".repeat(200_000)}`)).to.equal("nested deeper than 32");
  });

  it("refuses everything but an object", () => {
    for (const text of ["null", "[]", '"a"', "1", "true"])
      expect(complaint(text)).to.equal("not a JSON object");
    for (const text of [
      "",
      "{",
      '{"a"',
      '{"a":1,}',
      "{'a':1}",
      '{"a":NaN}',
      '{"a":1}{}',
      '{"\\',
      "{,",
    ])
      expect(complaint(text)).to.equal("not valid JSON");
  });

  it("quotes nothing of the text in its message", () => {
    expect(complaint('{"secret":hunter2}')).to.equal("not valid JSON");
  });

  it("gives frozen objects without a prototype, and no member __proto__", () => {
    const value = parseStrictObject(
      '{"__proto__":{"roles":["admin"]},"a":{"__proto__":1,"list":[{}]},"constructor":"x"}',
    );
    expect(Object.keys(value)).to.deep.equal(["a", "constructor"]);
    expect(Reflect.get(value, "roles")).to.equal(undefined);
    expect(Reflect.get(value, "toString")).to.equal(undefined);
    expect(Object.isFrozen(value) && Object.isFrozen(value.a)).to.equal(true);
    expect(JSON.stringify(value.a)).to.equal('{"list":[{}]}');
    expect(() => Object.assign(value, { a: 1 })).to.throw(TypeError);
  });
});
