import type { Outbox } from "../../../pubsub/outbox.js";
import type { Clock } from "../../../runtime/clock.js";
import type { Limits } from "../../limits.js";
import type { FrameWriter } from "./frame-writer.js";
import type { PeerSocket } from "./peer-socket.js";

/** One message as it came. */
export interface Frame {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

// One connection's share of a turn of the event loop: libuv would hand over up to 2 MiB of one
// socket before anybody else is served.
const maxRequestsPerTurn = 64;
const maxBytesPerTurn = 32_768; // of frames and answers together
const maxTimePerTurn = 2; // ms
const looksAtTime = 8; // requests from one look at the clock to the next
/**
 * ws hands over all that it has read, 64 KiB or so, also to a paused socket. Compressed frames may
 * be much larger than they came.
 */
const maxHeldBytes = 4_194_304; // 4 MiB

/**
 * Decides whether a connection may be given more work. It may not while what it does not read fills
 * the send buffer, when it has used up its share of this turn, and, before authentication, for the
 * rest of a second in which it sent too much. Then its socket is paused, and frames that have been
 * read already are held here.
 */
export class BackPressure {
  readonly #limits: Pick<Limits, "sendBufferBytes" | "sendBufferHardBytes">;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #socket: Pick<PeerSocket, "pause" | "resume">;
  readonly #writer: Pick<FrameWriter, "waiting">;
  readonly #outbox: Outbox;
  #frames: Frame[] | undefined; // most connections never have to wait
  #heldBytes = 0;
  #isHolding = false;
  #isOverRate = false;
  // of this turn
  #requests = 0;
  #bytes = 0;
  #startedAt = 0;

  constructor(
    limits: Pick<Limits, "sendBufferBytes" | "sendBufferHardBytes">,
    clock: Pick<Clock, "monotonic">,
    socket: Pick<PeerSocket, "pause" | "resume">,
    writer: Pick<FrameWriter, "waiting">,
    outbox: Outbox,
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#socket = socket;
    this.#writer = writer;
    this.#outbox = outbox;
    outbox.limit = limits.sendBufferHardBytes;
  }

  /** Frames that come are to be held. */
  get isHolding(): boolean {
    return this.#isHolding;
  }

  /** The peer has sent too much in this second. */
  get isOverRate(): boolean {
    return this.#isOverRate;
  }

  /** Is more waiting to be sent than the soft limit allows? */
  get isFull(): boolean {
    return this.#isOver(this.#limits.sendBufferBytes);
  }

  /** Is more waiting to be sent than the hard limit allows? */
  get isOverflowing(): boolean {
    return this.#isOver(this.#limits.sendBufferHardBytes);
  }

  /** The connection has used up its share of this turn. */
  get isUsedUp(): boolean {
    if (this.#requests >= maxRequestsPerTurn || this.#bytes >= maxBytesPerTurn) return true;
    return this.#requests > 0 && this.#requests % looksAtTime === 0 && this.#isLate();
  }

  /** Counts what was done in this turn. */
  spend(requests: number, bytes: number): void {
    this.#requests += requests;
    this.#bytes += bytes;
  }

  /** Reads no more of the socket, until {@link release}. */
  hold(): void {
    if (this.#isHolding) return;
    this.#isHolding = true;
    this.#socket.pause();
  }

  /**
   * Holds a frame that must not be read in this second, before all others; none is to be taken
   * before {@link endOfExcess}.
   */
  postpone(data: Buffer, isBinary: boolean): void {
    this.#isOverRate = true;
    this.#frames ??= [];
    this.#frames.unshift({ data, isBinary });
    this.#heldBytes += data.length;
    this.hold();
  }

  endOfExcess(): void {
    this.#isOverRate = false;
  }

  /** Holds a frame that came. False: that are too many bytes. */
  keep(data: Buffer, isBinary: boolean): boolean {
    this.#frames ??= [];
    this.#frames.push({ data, isBinary });
    this.#heldBytes += data.length;
    return this.#heldBytes <= maxHeldBytes;
  }

  /** The next of the frames that are held. */
  take(): Frame | undefined {
    const frame = this.#frames?.shift();
    this.#heldBytes -= frame?.data.length ?? 0;
    return frame;
  }

  /** Resumes reading from the socket, once nothing is held any more. */
  release(): void {
    if (!this.#isHolding) return;
    this.#isHolding = false;
    this.#socket.resume();
  }

  /** What was in the outbox has been given to the socket, and another turn begins. */
  written(): void {
    this.#requests = 0;
    this.#bytes = 0;
    this.#startedAt = 0;
    this.#outbox.limit = this.#limits.sendBufferHardBytes - this.#writer.waiting;
  }

  /** Drops the frames that are held, and resumes reading so that the peer's close is noticed. */
  close(): void {
    this.#frames = undefined;
    this.#heldBytes = 0;
    this.release();
  }

  #isOver(limit: number): boolean {
    return this.#outbox.length + this.#writer.waiting > limit;
  }

  #isLate(): boolean {
    const now = this.#clock.monotonic();
    if (this.#startedAt === 0) this.#startedAt = now;
    return now - this.#startedAt >= maxTimePerTurn;
  }
}
