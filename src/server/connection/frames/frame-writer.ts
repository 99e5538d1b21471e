import type { Duplex } from "node:stream";
import type { Item } from "../../../pubsub/outbox.js";
import type { PeerSocket } from "./peer-socket.js";

const nothing = Buffer.alloc(0);
const emptyPing = Buffer.from([0x89, 0]); // RFC 6455 §5.5.2

/** Writes frames to one socket, and knows how many bytes are still on their way, and have come. */
export class FrameWriter {
  readonly #socket: PeerSocket;
  readonly #stream: Duplex;
  readonly #compression: boolean;
  #isWatching = false;

  constructor(socket: PeerSocket, stream: Duplex, compression: boolean) {
    this.#socket = socket;
    this.#stream = stream;
    this.#compression = compression;
  }

  /**
   * Bytes that the system has not taken yet. ws counts those that went past it, too: they are the
   * stream's own.
   */
  get waiting(): number {
    return this.#socket.bufferedAmount;
  }

  /** Bytes that have come, without TLS; undefined where the stream does not tell. */
  get received(): number | undefined {
    return (this.#stream as Duplex & { readonly bytesRead?: number }).bytesRead;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  /**
   * All frames in one buffer, past ws: half of what a small reply costs. Compressed frames are ws's
   * to make.
   */
  write(items: readonly Item[]): void {
    if (this.#compression)
      for (const item of items) this.#socket.send(typeof item === "string" ? item : item.text);
    else this.#stream.write(textFrames(items));
  }

  /**
   * One frame for all pings of all connections: ws would make a header and an empty payload, and
   * write both.
   */
  ping(): void {
    if (this.#compression) this.#socket.ping();
    else this.#stream.write(emptyPing);
  }

  /** Calls back once what waits was taken. One callback at a time: a second one is not heard. */
  whenDrained(callback: () => void): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const drained = () => {
      this.#isWatching = false;
      callback();
    };
    if (this.#compression)
      // ws calls back when all before it was written
      this.#socket.ping(undefined, undefined, drained);
    else if (this.#stream.writableNeedDrain) this.#stream.once("drain", drained);
    // a stream that is not full itself tells of no drain, only of each write
    else this.#stream.write(nothing, (error) => error ?? drained());
  }
}

/**
 * WebSocket text frames of a server (RFC 6455 §5.2: final, unmasked), several in one buffer: one
 * write instead of two per message.
 */

const finalText = 0x81;
const twoByteLength = 126;
const eightByteLength = 127;

/**
 * The bytes of one frame for each item, in order. Those of a push are made once, and shared by all
 * who are sent it. By loops without closures: this is done for every reply.
 */
export function textFrames(items: readonly Item[]): Buffer {
  const [first] = items;
  if (items.length === 1 && first !== undefined)
    return typeof first === "string" ? frameOf(first) : first.encoded(textFrames);
  const lengths: number[] = [];
  let size = 0;
  for (const item of items) {
    const length =
      typeof item === "string" ? Buffer.byteLength(item) : item.encoded(textFrames).length;
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
