/** WebSocket text frames of a server (RFC 6455 §5.2: final, unmasked), several in one buffer: one write instead of two per message. */
import type { Item } from "../pubsub/outbox.js";

const finalText = 0x81;
const twoByteLength = 126;
const eightByteLength = 127;

/** The bytes of one frame for each item, in order. Those of a push are made once, and shared by all who are sent it. By loops without closures: this is done for every reply. */
export function textFrames(items: readonly Item[]): Buffer {
  const [first] = items;
  if (items.length === 1 && first !== undefined) return typeof first === "string" ? frameOf(first) : first.encoded(textFrames);
  const lengths: number[] = [];
  let size = 0;
  for (const item of items) {
    const length = typeof item === "string" ? Buffer.byteLength(item) : item.encoded(textFrames).length;
    lengths.push(length);
    size += typeof item === "string" ? headerSize(length) + length : length;
  }
  const frames = Buffer.allocUnsafe(size);
  let at = 0;
  for (let index = 0; index < items.length; index++) {
    const item = items[index] as Item;
    if (typeof item === "string") {
      at = writeHeader(frames, at, lengths[index] as number);
      at += frames.write(item, at);
    } else {
      at += item.encoded(textFrames).copy(frames, at);
    }
  }
  return frames;
}

function frameOf(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(headerSize(length) + length);
  frame.write(text, writeHeader(frame, 0, length));
  return frame;
}

function headerSize(length: number): number {
  if (length < twoByteLength) return 2;
  return length < 65_536 ? 4 : 10;
}

function writeHeader(frames: Buffer, at: number, length: number): number {
  frames[at] = finalText;
  if (length < twoByteLength) {
    frames[at + 1] = length;
    return at + 2;
  }
  if (length < 65_536) {
    frames[at + 1] = twoByteLength;
    return frames.writeUInt16BE(length, at + 2);
  }
  frames[at + 1] = eightByteLength;
  return frames.writeBigUInt64BE(BigInt(length), at + 2);
}
