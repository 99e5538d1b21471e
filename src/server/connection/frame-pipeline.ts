import type { Session } from "../../auth/session/session.js";
import type { CloseReason } from "../../protocol/close-codes.js";
import { openBatchLength } from "../../protocol/connection-limits.js";
import { type ErrorObject, errorOf } from "../../protocol/error-codes.js";
import type { Request } from "../../protocol/messages.js";
import type { Outbox } from "../../pubsub/outbox.js";
import { Batch } from "../../rpc/dispatch/batch.js";
import type { Call, Caller, Reply } from "../../rpc/dispatch/call.js";
import type { Dispatcher } from "../../rpc/dispatch/dispatcher.js";
import { encodeRefusal } from "../../rpc/dispatch/envelope.js";
import { idInFlight } from "../../rpc/dispatch/pending-calls.js";
import { encodeError, encodeNotification, encodeResult } from "../../rpc/json/encode.js";
import type { Limits } from "../limits.js";
import { type AuthOutcome, type AuthQueue, authRequestOf } from "./auth-queue.js";
import type { CloseDetails } from "./closing.js";
import type { ConnectionSubscriptions } from "./connection-subscriptions.js";
import type { BackPressure } from "./frames/back-pressure.js";
import { BlockedFrames } from "./frames/blocked-frames.js";
import type { Excess, FrameReader } from "./frames/frame-reader.js";
import type { FrameWriter } from "./frames/frame-writer.js";

/**
 * The path of a frame to its reply, in order:
 *
 *   receive: held under back-pressure → size, rate, decode → waits behind a blocking auth call
 *         → auth queue, or dispatcher → reply, when there is room → outbox
 */

/** The connection, as its frame pipeline sees it. */
export interface FrameHost extends Caller {
  /** Whether the connection closes, so that no further frame may begin. */
  readonly isClosing: boolean;
  close(reason: CloseReason, details?: CloseDetails): void;
  /** Called for an unexpected error. */
  failed(error: unknown): void;
  /** Called when the peer has read a full send buffer. */
  drained(): void;
}

export interface PipelineParts {
  readonly session: Session;
  readonly authQueue: AuthQueue;
  readonly reader: FrameReader;
  readonly pressure: BackPressure;
  readonly writer: FrameWriter;
  readonly outbox: Outbox;
  readonly subscriptions: ConnectionSubscriptions;
  readonly dispatcher: Dispatcher;
  readonly limits: Pick<Limits, "batchLength">;
}

export class FramePipeline {
  readonly #host: FrameHost;
  readonly #session: Session;
  readonly #authQueue: AuthQueue;
  readonly #reader: FrameReader;
  readonly #pressure: BackPressure;
  readonly #writer: FrameWriter;
  readonly #outbox: Outbox;
  readonly #subscriptions: ConnectionSubscriptions;
  readonly #dispatcher: Dispatcher;
  readonly #limits: Pick<Limits, "batchLength">;
  readonly #blocked = new BlockedFrames();
  /** A batch with elements that have not begun. */
  #batch: Batch | undefined;
  /**
   * Answers that wait for room in the send buffer, in order. They are not encoded yet, so their
   * size is unknown.
   */
  #owed: (Call | Batch)[] | undefined;
  #isProceeding = false;
  /** Whether subscriptions wait for room in the send buffer. */
  #isStalled = false;
  #isClosed = false;

  constructor(host: FrameHost, parts: PipelineParts) {
    this.#host = host;
    this.#session = parts.session;
    this.#authQueue = parts.authQueue;
    this.#reader = parts.reader;
    this.#pressure = parts.pressure;
    this.#writer = parts.writer;
    this.#outbox = parts.outbox;
    this.#subscriptions = parts.subscriptions;
    this.#dispatcher = parts.dispatcher;
    this.#limits = parts.limits;
  }

  /** Processes a message, or holds it under back-pressure. */
  receive(data: Buffer, isBinary: boolean): void {
    if (this.#pressure.isHolding || this.#pressure.isFull) return this.#keep(data, isBinary);
    try {
      this.#read(data, isBinary);
    } catch (error) {
      this.#host.failed(error);
    }
    if (this.#pressure.isUsedUp) this.hold();
  }

  /** Stops reading the socket until the next turn, or until the send buffer has room. */
  hold(): void {
    this.#pressure.hold();
    this.#outbox.wake(); // resumes in the next turn, or once there is room
  }

  /** Returns whether the send buffer is full. If so, resumes the subscriptions once it has room. */
  isHigh(): boolean {
    if (!this.#pressure.isFull) return false;
    // without a write to wait for, only the outbox can resume the subscriptions
    if (!this.#isStalled) this.#outbox.wake();
    this.#isStalled = true;
    return true;
  }

  /** Called at the end of a turn, after the write to the socket. */
  turnEnded(): void {
    if (this.#pressure.isHolding || this.#isStalled) this.proceed();
  }

  /** Called at the end of a second in which the peer exceeded its rate. */
  endExcess(): void {
    this.#pressure.endOfExcess();
    if (!this.#host.isClosing) this.#guarded(() => this.proceed());
  }

  /**
   * Resumes after back-pressure, in order: answers, the rest of a batch, the frames behind that
   * batch, subscriptions.
   */
  proceed(): void {
    if (this.#isProceeding) return;
    if (this.#pressure.isFull && this.#outbox.length > 0) return this.hold(); // until it is written
    if (this.#pressure.isFull)
      return this.#writer.whenDrained(() => this.#guarded(() => this.#drained()));
    this.#isProceeding = true;
    try {
      while (this.#owed !== undefined && !this.#pressure.isFull) this.#payNext(this.#owed);
      while (!this.#host.isClosing && this.#isFree() && this.#takeNext());
    } finally {
      this.#isProceeding = false;
    }
    if (!this.#isStalled || this.#pressure.isFull) return;
    this.#isStalled = false;
    this.#subscriptions.resume();
  }

  /** Sends the outcome of an auth method. */
  answer({ id, method }: Request, outcome: AuthOutcome): void {
    if (id !== undefined)
      return this.#send(
        "error" in outcome ? encodeError(id, outcome.error) : encodeResult(id, outcome.result),
      );
    const notice =
      "error" in outcome ? { method, ok: false, error: outcome.error } : { method, ok: true };
    this.#send(encodeNotification("auth.notice", notice));
  }

  /** Sends all waiting answers, so that the next user of the connection does not receive them. */
  payAll(): void {
    while (this.#owed !== undefined) this.#payNext(this.#owed);
  }

  /** Drops all waiting frames and answers. */
  close(): void {
    this.#isClosed = true;
    this.#blocked.clear();
    this.#pressure.close();
    this.#reader.close();
    this.#batch = undefined;
    this.#owed = undefined;
  }

  #drained(): void {
    this.#host.drained();
    this.proceed();
  }

  #payNext(owed: (Call | Batch)[]): void {
    const next = owed.shift();
    if (owed.length === 0) this.#owed = undefined;
    if (next === undefined) return;
    this.#host.pending.unsent--;
    this.#pay(next);
  }

  /**
   * Returns whether the send buffer has room and this turn has budget left for another frame. If
   * not, holds further frames.
   */
  #isFree(): boolean {
    if (!this.#pressure.isFull && !this.#pressure.isUsedUp) return true;
    this.hold();
    return false;
  }

  /**
   * Starts the next waiting batch or frame. Returns `false` if no frame waits, or none may start
   * now.
   */
  #takeNext(): boolean {
    if (this.#batch !== undefined) return this.#run(this.#batch);
    if (this.#blocked.size > 0 && !this.#authQueue.blocks) {
      this.#pressure.spend(1, 0);
      this.#process(this.#blocked.shift());
      return true;
    }
    if (this.#pressure.isOverRate) return false;
    const frame = this.#pressure.take();
    if (frame === undefined) this.#pressure.release();
    else this.#read(frame.data, frame.isBinary);
    return frame !== undefined;
  }

  #keep(data: Buffer, isBinary: boolean): void {
    const fits = this.#pressure.keep(data, isBinary);
    if (fits) this.hold();
    else
      this.#host.close("too_many_requests", {
        hint: "too many requests are waiting; read the answers before you send more",
      });
  }

  #read(data: Buffer, isBinary: boolean): void {
    const { isOpen } = this.#session;
    this.#pressure.spend(1, data.length);
    this.#session.heard();
    const reading = this.#reader.read(data, isBinary, isOpen);
    if (reading === "later") return this.#pressure.postpone(data, isBinary);
    if ("value" in reading && reading.excess !== undefined)
      return this.#refuseExcess(reading.value, reading.excess);
    if ("value" in reading) return this.#accept(reading.value, data.length);
    if (reading.answer !== undefined) this.#send(reading.answer);
    if (reading.close !== undefined) this.#host.close(reading.close[0], { hint: reading.close[1] });
  }

  #refuseExcess(value: unknown, { error, isAbuse }: Excess): void {
    this.#refuse(value, error);
    if (isAbuse) this.#host.close("too_many_requests", { hint: "slow down" });
  }

  /** Frames behind a blocking auth call wait, in order, and are dispatched by its outcome. */
  #accept(value: unknown, bytes: number): void {
    if (!this.#authQueue.blocks) return this.#process(value);
    if (this.#blocked.add(value, bytes)) return;
    this.#refuse(
      value,
      errorOf("rate_limited", {
        retryAfter: 1,
        hint: "too many frames are waiting; send more after the answer to authenticate",
      }),
    );
  }

  #refuse(value: unknown, error: ErrorObject): void {
    const auth = authRequestOf(value);
    if (auth !== undefined) return this.answer(auth, { error });
    const refusal = encodeRefusal(value, error, this.#limits.batchLength);
    if (refusal !== null) this.#send(refusal);
  }

  #process(value: unknown): void {
    const auth = authRequestOf(value);
    if (auth !== undefined) return this.#submit(auth);
    const outcome = this.#dispatcher.respond(
      value,
      this.#host,
      this.#session.isOpen ? openBatchLength : this.#limits.batchLength,
    );
    if (outcome instanceof Promise) outcome.then(this.#owe, this.#replyLost);
    else if (outcome instanceof Batch) this.#run(outcome);
    else this.#reply(outcome);
  }

  /** Submits an auth method. Its id is reserved until its answer. */
  #submit(auth: Request): void {
    if (auth.id === undefined || this.#host.pending.reserve(auth.id)) this.#authQueue.submit(auth);
    else this.answer(auth, { error: idInFlight() });
  }

  /** Begins elements of a batch. Returns `false` if some of them must wait. */
  #run(batch: Batch): boolean {
    const isUnderWay = batch.proceed();
    this.#batch = isUnderWay ? undefined : batch;
    if (isUnderWay) batch.whenSettled(() => this.#guarded(() => this.#owe(batch)));
    else this.hold();
    return isUnderWay;
  }

  /**
   * Answers now, or once there is room. A member, so that a call needs no closure.
   */
  readonly #owe = (owed: Call | Batch): void => {
    if (this.#isClosed || (this.#owed === undefined && !this.#pressure.isFull))
      return this.#pay(owed);
    this.#owed ??= [];
    this.#owed.push(owed);
    this.#host.pending.unsent++;
    this.hold();
  };

  #pay(owed: Call | Batch): void {
    this.#reply(owed instanceof Batch ? owed.encode() : this.#dispatcher.encode(owed));
  }

  #reply(reply: Reply): void {
    if (reply === null) return;
    const text = typeof reply === "string" ? reply : reply.text;
    this.#pressure.spend(0, text.length);
    this.#send(text);
    if (typeof reply !== "string") for (const started of reply.started) started.begin();
  }

  readonly #replyLost = (error: unknown): void =>
    this.#host.log.error({ event: "reply.lost", err: error }, "reply lost");

  #send(text: string): void {
    if (!this.#isClosed) this.#outbox.add(text);
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#host.failed(error);
    }
  }
}
