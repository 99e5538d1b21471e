import type { CloseReason } from "../../../protocol/close-codes.js";

const controlHeader = 6; // bytes of a ping's or pong's header, with its mask (RFC 6455 §5.2)
const messageCame = -1;
/** Pings and pongs; a client needs one in some seconds. */
export const maxControlsPerSecond = 100;
/**
 * What is read of a peer after the announcement that it must go, before its socket is cut: it has
 * up to 3 s to answer, at the speed of the line.
 */
const maxBytesAfterClose = 131_072; // 128 KiB
const maxBytesAfterOrderlyClose = 4_194_304; // 4 MiB: calls that were on their way
const causedByPeer: ReadonlySet<CloseReason> = new Set([
  "unsupported_data",
  "too_big",
  "protocol_error",
  "too_many_attempts",
  "too_many_requests",
]);

/**
 * What the bytes of one peer show, whatever they mean: that the peer is alive, that a message takes
 * too long to arrive, that there are too many control frames, that the peer goes on sending after
 * the close.
 */
export class PeerWatch {
  /** Has anything come since the last ping? */
  isAlive = true;
  /**
   * Bytes that are known to be no part of a message: what had come before it began, and the control
   * frames since.
   */
  #beside = 0;
  /**
   * At how many looks in a row there was part of a message; or that a message has come since the
   * last one.
   */
  #arriving = messageCame;
  /** Pings and pongs in the second of that number. */
  #controls = 0;
  #controlSecond = 0;
  #receivedAtClose = 0;

  messageCame(): void {
    this.isAlive = true;
    this.#arriving = messageCame;
  }

  /**
   * Only counted: several may come at once, before anything is known of those behind. What is more
   * than they are, is part of a message.
   */
  controlCame(length: number): void {
    this.isAlive = true;
    this.#beside += controlHeader + length;
  }

  /** Counts a control frame. False: there are too many in this second. `now`: monotonic, ms. */
  mayControl(now: number): boolean {
    const second = Math.floor(now / 1_000);
    if (second !== this.#controlSecond) this.#controls = 0;
    this.#controlSecond = second;
    return ++this.#controls <= maxControlsPerSecond;
  }

  /**
   * Has a message been arriving at more than `most` looks in a row? `received`: all bytes so far.
   * What the server itself does not read (`isHeld`) is not late.
   */
  isMessageLate(received: number, isHeld: boolean, most: number): boolean {
    if (this.#arriving === messageCame || isHeld || received <= this.#beside) {
      this.#arriving = 0;
      this.#beside = received;
    } else this.#arriving++;
    return this.#arriving > most;
  }

  /** The peer has been asked to go. */
  closing(received: number): void {
    this.#receivedAtClose = received;
  }

  /** Does it go on sending? `reason`: why it was asked to go; undefined: it went by itself. */
  isFlooding(received: number, reason: CloseReason | undefined): boolean {
    const most =
      reason === undefined || causedByPeer.has(reason)
        ? maxBytesAfterClose
        : maxBytesAfterOrderlyClose;
    return received - this.#receivedAtClose > most;
  }
}
