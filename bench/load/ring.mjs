import { withWrongSignature } from "../lib/tokens.mjs";
import { batchOf, dialects } from "./dialects.mjs";
import { maskedFrame } from "./frames.mjs";

/**
 * Frames of one length, made once, taken one after another and round again: what is sent costs a
 * `subarray`.
 */
export class Ring {
  #bytes;
  #frameLength;
  #size;
  /** What the answer to each must look like. */
  expected;

  constructor(texts, expected) {
    this.expected = expected;
    const frames = texts.map((text) => maskedFrame(text));
    this.#frameLength = frames[0].length;
    if (frames.some(({ length }) => length !== this.#frameLength))
      throw new RangeError("the frames of a ring must have one length");
    this.#size = frames.length;
    // twice, so that what is taken is always in one piece
    this.#bytes = Buffer.concat([...frames, ...frames]);
  }

  get size() {
    return this.#size;
  }

  /** `count` frames from number `from` on. */
  take(from, count) {
    const start = (from % this.#size) * this.#frameLength;
    return this.#bytes.subarray(start, start + count * this.#frameLength);
  }
}

const firstId = 100_000;
const authCall = (method) => (id, token) =>
  `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":{"token":"${token}"}}`;
const refresh = authCall("refresh");
const authenticate = authCall("authenticate");

/** `size` texts, each with ids of its own. */
function texts(size, idsOfOne, textOf) {
  return Array.from({ length: size }, (_, index) => textOf(firstId + index * idsOfOne, index));
}

const result = /"result"/;

/**
 * What is sent, and what must be answered. Each kind is given the dialect, the size of a batch, and
 * a function that signs a token.
 */
const kinds = {
  calls: ({ dialect }) => new Ring(texts(16_384, 1, dialect.call), dialect.reply),
  batches: ({ dialect, batch }) => {
    const framesOfBatch = texts(512, batch, (id) => batchOf(dialect, id, batch));
    return new Ring(framesOfBatch, new RegExp(`^\\[(.*?${dialect.reply.source}.*?){${batch}}\\]$`));
  },
  refreshes: ({ sign }) =>
    new Ring(
      texts(1_024, 1, (id) => refresh(id, sign())),
      result,
    ),
  goodTokens: ({ sign }) =>
    new Ring(
      texts(1_024, 1, (id) => authenticate(id, sign())),
      result,
    ),
  badTokens: ({ sign }) =>
    new Ring(
      texts(1_024, 1, (id) => authenticate(id, withWrongSignature(sign()))),
      /-32004/,
    ),
  // three of four are not JSON, the fourth is no request: a server may count what is not JSON, in a
  // row
  garbage: ({ dialect }) => {
    const spoiled = (id, index) =>
      index % 4 === 3
        ? dialect.call(id).replace('"2.0"', '"1.0"')
        : dialect.call(id).replace("}}", "}[");
    return new Ring(texts(16_384, 1, spoiled), /-32700|-32600/);
  },
};

const made = new Map();

/** The ring of a kind of frames; made when it is first asked for. */
export function ringOf(kind, dialectName, batch, sign) {
  const key = `${kind} ${dialectName} ${batch}`;
  const ring = made.get(key) ?? kinds[kind]({ dialect: dialects[dialectName], batch, sign });
  made.set(key, ring);
  return ring;
}
