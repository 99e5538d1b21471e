import { EventEmitter } from "node:events";

/**
 * As much of a WebSocket as a connection touches; what it is sent is kept, and nothing may be sent
 * after the close.
 */
export class FakeSocket extends EventEmitter {
  readonly OPEN = 1;
  /** Bytes that the peer does not read. */
  bufferedAmount = 0;
  readyState = 1;
  readonly sent: string[] = [];
  closeCode: number | undefined;
  isPaused = false;
  /** Does the peer read what it is sent? If not, that stays in the send buffer. */
  isRead = true;
  readonly #whenRead: (() => void)[] = [];

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  send(text: string): void {
    if (this.readyState !== this.OPEN) throw new Error("sent after the close");
    this.sent.push(text);
    if (!this.isRead) this.bufferedAmount += Buffer.byteLength(text);
  }

  close(code: number): void {
    this.readyState = 2;
    this.closeCode = code;
  }

  /** Calls back when all before it was read. */
  ping(_data?: unknown, _mask?: unknown, written?: () => void): void {
    if (written !== undefined) this.#whenRead.push(written);
  }

  /** The peer reads all that waits. */
  drain(): void {
    this.bufferedAmount = 0;
    for (const written of this.#whenRead.splice(0)) written();
  }

  terminate(): void {
    this.close(1006);
  }
}
