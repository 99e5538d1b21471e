/**
 * Numbers that look random and are the same for the same seed (a linear congruential generator).
 */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 up, less than `below`. */
  roll(below: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * below);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.roll(from.length)] as T;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.roll(256)));
  }
}

/** What has broken JSON-RPC servers before. */
const splinters: readonly string[] = [
  "null",
  "true",
  "-0",
  "1e999",
  "-1e999",
  "9007199254740993",
  "1".repeat(400),
  '""',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\u0000"',
  "[]",
  "{}",
  "[[]]",
  "[null]",
  "[0]",
  '{"__proto__":{"isAdmin":true}}',
  '{"constructor":{"prototype":{"isAdmin":true}}}',
  '{"toJSON":1,"then":1}',
  '{"length":4294967295}',
  '"__proto__"',
  '"constructor"',
  '"toString"',
  '"hasOwnProperty"',
  '"authenticate"',
  '"$/cancelRequest"',
  '"rpc.discover"',
  '"id":null,',
  '"id":{},',
  '"id":[],',
  '"jsonrpc":"1.0",',
  '"method":1,',
  "\u2028",
  "\ufeff",
  "/**/",
  "NaN",
  "undefined",
  ",",
  ":",
  "\\",
  '"',
];

type Mutation = (frame: Buffer, dice: Dice, corpus: readonly string[]) => Buffer;

const mutations: readonly Mutation[] = [
  function flipBits(frame, dice) {
    const copy = Buffer.from(frame);
    for (let count = dice.roll(4); count >= 0 && copy.length > 0; count--) {
      const at = dice.roll(copy.length);
      // the eighth bit would make most frames bad UTF-8
      copy[at] = (copy[at] ?? 0) ^ (1 << dice.roll(7));
    }
    return copy;
  },
  function cut(frame, dice) {
    return frame.subarray(0, dice.roll(frame.length + 1));
  },
  function remove(frame, dice) {
    const from = dice.roll(frame.length + 1);
    return Buffer.concat([frame.subarray(0, from), frame.subarray(from + dice.roll(8))]);
  },
  function insertSplinter(frame, dice) {
    const at = dice.roll(frame.length + 1);
    return Buffer.concat([
      frame.subarray(0, at),
      Buffer.from(dice.pick(splinters)),
      frame.subarray(at),
    ]);
  },
  function replaceValue(frame, dice) {
    const values = [
      ...frame
        .toString()
        .matchAll(/(?<=[:[,])(?:"[^"]*"|-?\d+|null|true|false|\{[^{}]*\}|\[[^[\]]*\])/g),
    ];
    const value = values[dice.roll(Math.max(values.length, 1))];
    if (value === undefined) return frame;
    const text = frame.toString();
    return Buffer.from(
      text.slice(0, value.index) + dice.pick(splinters) + text.slice(value.index + value[0].length),
    );
  },
  function replaceName(frame, dice) {
    const names = [
      "__proto__",
      "constructor",
      "id",
      "method",
      "params",
      "jsonrpc",
      "token",
      "$since",
      "",
    ];
    return Buffer.from(
      frame
        .toString()
        .replace(/"(?:id|method|params|jsonrpc|token|a|b)"(?=:)/, () =>
          JSON.stringify(dice.pick(names)),
        ),
    );
  },
  function double(frame, dice) {
    const from = dice.roll(frame.length + 1);
    const piece = frame.subarray(from, from + dice.roll(40));
    return Buffer.concat([frame.subarray(0, from), piece, frame.subarray(from)]);
  },
  function splice(frame, dice, corpus) {
    const other = Buffer.from(dice.pick(corpus));
    return Buffer.concat([
      frame.subarray(0, dice.roll(frame.length + 1)),
      other.subarray(dice.roll(other.length + 1)),
    ]);
  },
  function nest(frame, dice) {
    const depth = dice.pick([2, 63, 64, 65, 1_000, 5_000]);
    const [open, close] = dice.pick([
      ["[", "]"] as const,
      ['{"params":', "}"] as const,
      ['{"a":[', "]}"] as const,
    ]);
    const most = Math.min(depth, Math.floor(15_000 / (open.length + close.length)));
    return Buffer.from(
      `${open.repeat(most)}${dice.pick([frame.toString().slice(0, 300), "0", ""])}${close.repeat(most)}`,
    );
  },
  function nestParams(frame, dice) {
    const depth = dice.pick([10, 62, 70, 3_000]);
    return Buffer.from(
      frame
        .toString()
        .replace(/"params":/, `"params":${"[".repeat(depth)}${"]".repeat(depth)},"_":`),
    );
  },
  function batch(frame, dice, corpus) {
    const members = Array.from({ length: dice.roll(dice.pick([4, 60])) }, () =>
      dice.pick([dice.pick(corpus), dice.pick(splinters)]),
    );
    return Buffer.from(`[${[...members, frame.toString()].join(",")}]`);
  },
  function repeat(frame, dice) {
    return Buffer.concat(Array.from({ length: 1 + dice.roll(4) }, () => frame));
  },
];

/** A frame of the corpus after one to three mutations. */
export function mutate(corpus: readonly string[], dice: Dice): Buffer {
  let frame = Buffer.from(dice.pick(corpus));
  for (let count = dice.roll(3); count >= 0; count--)
    frame = Buffer.from(dice.pick(mutations)(frame, dice, corpus));
  return frame;
}
