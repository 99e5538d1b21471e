import type { Duplex } from "node:stream";
import type { Item } from "../../../pubsub/outbox.js";
import { textFrames } from "../../text-frames.js";
import type { PeerSocket } from "./peer-socket.js";

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

  /** Bytes that the system has not taken yet. ws counts those that went past it, too: they are the stream's own. */
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

  /** All frames in one buffer, past ws: half of what a small reply costs. Compressed frames are ws's to make. */
  write(items: readonly Item[]): void {
    if (this.#compression) for (const item of items) this.#socket.send(typeof item === "string" ? item : item.text);
    else this.#stream.write(textFrames(items));
  }

  /** One frame for all pings of all connections: ws would make a header and an empty payload, and write both. */
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
      this.#socket.ping(undefined, undefined, drained); // ws calls back when all before it was written
    else this.#stream.once("drain", drained);
  }
}
