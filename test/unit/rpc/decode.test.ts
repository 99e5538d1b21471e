import { expect } from "chai";
import { describe, it } from "mocha";
import { decode } from "../../../src/rpc/json/decode.js";

const endless = {
  jsonDepth: Number.POSITIVE_INFINITY,
  jsonValues: Number.POSITIVE_INFINITY,
  objectMembers: Number.POSITIVE_INFINITY,
  stringBytes: Number.POSITIVE_INFINITY,
};
const decoded = (text: string): unknown => {
  const result = decode(text, Buffer.byteLength(text), endless);
  return "value" in result ? result.value : result.error.message;
};

/** What is taken out, in the plainest words there are. */
function withoutPollution(key: string, value: unknown): unknown {
  const isPolluting =
    key === "constructor" &&
    typeof value === "object" &&
    value !== null &&
    Object.hasOwn(value, "prototype");
  return key === "__proto__" || isPolluting ? undefined : value;
}

/** The same name with some of its letters as escapes, in either case. */
function spelt(name: string, seed: number): string {
  const escaped = (letter: string) => `\\u00${letter.charCodeAt(0).toString(16)}`;
  const cased = (text: string, n: number) =>
    n % 2 === 0 ? text : text.replace(/[a-f]$/, (digit) => digit.toUpperCase());
  return [...name]
    .map((letter, n) => ((seed >> n) % 2 === 0 ? letter : cased(escaped(letter), seed + n)))
    .join("");
}

/** The least time of many runs, in milliseconds: what other processes do is not measured. */
function leastTime(work: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 300; run++) {
    const startedAt = performance.now();
    work();
    least = Math.min(least, performance.now() - startedAt);
  }
  return least;
}

describe("Decoding a frame", () => {
  it("drops the members that could pollute a prototype, however their names are spelt, and nothing else", () => {
    const names = [
      "__proto__",
      "constructor",
      "__proto",
      "proto__",
      "Constructor",
      "prototype",
      "a",
    ];
    let dropped = 0;
    for (let seed = 0; seed < 1_024; seed++) {
      const [outer, inner] = [names[seed % 7], names[(seed >> 3) % 7]] as [string, string];
      const space = ["", " ", "\t\r\n"][seed % 3];
      const member = `"${spelt(outer, seed)}"${space}:{"${spelt(inner, seed >> 2)}":{"prototype":[{"${spelt("constructor", seed)}":{"prototype":1}}]}}`;
      for (const text of [
        `{${member},"b":1}`,
        `[0,{"c":[{${member}}]}]`,
        `{"d":"\\u0041 \\"${outer}\\": "}`,
      ]) {
        const expected = JSON.parse(text, withoutPollution);
        expect(decoded(text), text).to.deep.equal(expected);
        dropped += Number(JSON.stringify(JSON.parse(text)) !== JSON.stringify(expected));
      }
    }
    expect(dropped).to.be.above(500);
    expect(({} as { prototype?: unknown }).prototype).to.equal(undefined);
  });

  it("does so however deep they are, where there is no limit", () => {
    const deep = `${"[".repeat(50_000)}{"__proto__":1,"a":2}${"]".repeat(50_000)}`;
    let value = decoded(deep);
    while (Array.isArray(value)) [value] = value;
    expect(Object.keys(value as object)).to.deep.equal(["a"]);
  });

  it("keeps what only looks like one of them: a string, an element, a constructor without a prototype", () => {
    for (const text of [
      '["__proto__","\\u005f_proto__"]',
      '{"a":"__proto__"}',
      '{"constructor":{"a":1},"b":{"constructor":"prototype"}}',
    ]) {
      expect(decoded(text), text).to.deep.equal(JSON.parse(text));
    }
  });

  it("costs no multiple of a plain parse for an escape that is somewhere in the text", () => {
    const params = (first: string) =>
      `{"jsonrpc":"2.0","id":1,"method":"ping","params":["${first}"${',"12345"'.repeat(2_000)}]}`;
    const [plain, escaped] = [params("A"), params("\\u0041")];
    const ratio = leastTime(() => decoded(escaped)) / leastTime(() => decoded(plain));
    expect(ratio, "times").to.be.below(3); // with a reviver: 9
  });
});
