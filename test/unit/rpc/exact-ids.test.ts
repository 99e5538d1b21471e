import { expect } from "chai";
import fc from "fast-check";
import { decode } from "../../../src/rpc/json/decode.js";

const bounds = {
  jsonDepth: Number.POSITIVE_INFINITY,
  jsonValues: Number.POSITIVE_INFINITY,
  objectMembers: Number.POSITIVE_INFINITY,
  stringBytes: Number.POSITIVE_INFINITY,
};

/** The ids of what was decoded: NaN for one that a double does not hold. */
function idsOf(text: string): readonly unknown[] {
  const decoded = decode(text, Buffer.byteLength(text), bounds);
  if (!("value" in decoded)) throw new Error("no JSON");
  return ([decoded.value].flat() as { id?: unknown }[]).map((request) => request?.id);
}

describe("The id of a request that is a number", () => {
  for (const id of [
    "9007199254740991",
    "-9007199254740991",
    "9007199254740992",
    "1e21",
    "1000000000000000000000",
    "1.5",
    "1.50",
    "15e-1",
    "0.1",
    "-0.25",
  ])
    it(`is kept when it is ${id}`, () => {
      expect(idsOf(`{"id":${id}}`)).to.deep.equal([Number(id)]);
    });

  for (const id of [
    "9007199254740993",
    "-9007199254740993",
    "9.007199254740993e15",
    "1152921504606846976",
    "18446744073709551615",
    "0.1000000000000000055",
    "1e400",
    "9".repeat(400),
  ])
    it(`is marked when it is ${id}, of which a double makes another number`, () => {
      expect(idsOf(`{"id":${id}}`)).to.deep.equal([Number.NaN]);
    });

  it("is found wherever it stands, however its name is spelt, and nowhere else", () => {
    const big = "9007199254740993";
    for (const text of [
      `{"params":{"id":1.5,"a":[{"id":${big}},"}\\"]"]},"\\u0069d" : ${big} }`,
      `{"id":1,"id":${big}}`,
      ` { "id" :\t${big}\n, "b" : [ ] } `,
    ])
      expect(idsOf(text), text).to.deep.equal([Number.NaN]);
    expect(idsOf(`{"id":${big},"id":1.5}`)).to.deep.equal([1.5]);
    expect(idsOf(`{"a":{"id":${big}},"id":1.5,"ids":${big}}`)).to.deep.equal([1.5]);
    expect(idsOf(`[1,{"id":1},{"id":${big}},[{"id":${big}}],{"id":2.5},{}]`)).to.deep.equal([
      undefined,
      1,
      Number.NaN,
      undefined,
      2.5,
      undefined,
    ]);
  });

  it("is kept if, and only if, its text says the same number as what would come back", () => {
    const digits = fc.bigInt({ min: 0n, max: 10n ** 25n }).map(String);
    const number = fc.oneof(
      digits,
      fc.tuple(digits, digits).map(([whole, fraction]) => `${whole}.${fraction}`),
      fc
        .double({ noNaN: true, noDefaultInfinity: true, min: 0 })
        .map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(number, fc.json(), (id, other) => {
        if (Number.isSafeInteger(Number(id))) return;
        const [found] = idsOf(`{"other":${other},"id":${id}}`);
        expect(Number.isNaN(found)).to.equal(!isSame(id, String(Number(id))));
      }),
    );
  });
});

/** Compares two decimal numbers by integers alone. */
function isSame(a: string, b: string): boolean {
  const [left, right] = [partsOf(a), partsOf(b)];
  const scale = Math.max(left.scale, right.scale);
  return (
    left.digits * 10n ** BigInt(scale - left.scale) ===
    right.digits * 10n ** BigInt(scale - right.scale)
  );
}

function partsOf(number: string): { readonly digits: bigint; readonly scale: number } {
  const [mantissa = "", exponent = "0"] = number.split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const scale = fraction.length - Number(exponent);
  return scale >= 0
    ? { digits: BigInt(whole + fraction), scale }
    : { digits: BigInt(whole + fraction) * 10n ** BigInt(-scale), scale: 0 };
}
