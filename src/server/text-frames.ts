/** WebSocket text frames of a server (RFC 6455 §5.2: final, unmasked), several in one buffer: one write instead of two per message. */

const finalText = 0x81;
const twoByteLength = 126;
const eightByteLength = 127;

/** The bytes of one frame for each text, in order. */
export function textFrames(texts: readonly string[]): Buffer {
  const lengths = texts.map((text) => Buffer.byteLength(text));
  const size = lengths.reduce((sum, length) => sum + headerSize(length) + length, 0);
  const frames = Buffer.allocUnsafe(size);
  let at = 0;
  texts.forEach((text, index) => {
    at = writeHeader(frames, at, lengths[index] as number);
    at += frames.write(text, at);
  });
  return frames;
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
