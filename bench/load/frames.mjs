/** WebSocket frames (RFC 6455 §5.2), just enough of them for load. */
import { randomBytes } from "node:crypto";

export const opcodes = { text: 1, close: 8, ping: 9, pong: 10 };

/** A client's frame: final and masked. */
export function maskedFrame(text, opcode = opcodes.text) {
  const payload = Buffer.from(text);
  const { length } = payload;
  const lengthBytes =
    length < 126 ? [length] : length < 65_536 ? [126, length >> 8, length & 255] : undefined;
  if (lengthBytes === undefined)
    throw new RangeError(`${length} bytes are too many for a frame here`);
  const mask = randomBytes(4);
  for (let index = 0; index < length; index++) payload[index] ^= mask[index & 3];
  return Buffer.concat([
    Buffer.from([0x80 | opcode, 0x80 | lengthBytes[0], ...lengthBytes.slice(1)]),
    mask,
    payload,
  ]);
}

/** A server's frame at the beginning of `bytes`, or undefined: not all of it is there yet. */
export function readFrame(bytes) {
  if (bytes.length < 2) return undefined;
  const short = bytes[1] & 127;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < start) return undefined;
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < start + length) return undefined;
  return {
    opcode: bytes[0] & 15,
    payload: bytes.subarray(start, start + length),
    rest: bytes.subarray(start + length),
  };
}

const none = Buffer.alloc(0);

/**
 * Counts a server's text frames by their headers; payloads are skipped, not read. What is no reply
 * (control frames, and text of less than four bytes: heartbeats of protocols above) is given to
 * `onSmall(opcode, payload)`.
 */
export class FrameCounter {
  #toSkip = 0;
  #partial = none;
  #onSmall;

  constructor(onSmall) {
    this.#onSmall = onSmall;
  }

  /** How many replies ended in this chunk. */
  count(chunk) {
    const bytes = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    this.#partial = none;
    let replies = 0;
    let at = this.#toSkip;
    if (at > 0 && at <= bytes.length) replies++;
    while (at < bytes.length) {
      const short = at + 1 < bytes.length ? bytes[at + 1] & 127 : 0;
      const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
      const isSmall = short < 4 || (bytes[at] & 15) !== opcodes.text;
      if (start > bytes.length || (isSmall && start + short > bytes.length)) {
        this.#partial = bytes.subarray(at);
        this.#toSkip = 0;
        return replies;
      }
      if (isSmall) {
        this.#onSmall(bytes[at] & 15, bytes.subarray(start, start + short));
        at = start + short;
        continue;
      }
      at =
        start +
        (short < 126
          ? short
          : short === 126
            ? bytes.readUInt16BE(at + 2)
            : Number(bytes.readBigUInt64BE(at + 2)));
      if (at <= bytes.length) replies++;
    }
    this.#toSkip = at - bytes.length;
    return replies;
  }
}
