import type { CloseReason } from "../../../protocol/close-codes.js";
import { type ErrorObject, errorOf } from "../../../protocol/error-codes.js";
import { decode } from "../../../rpc/json/decode.js";
import { encodeError } from "../../../rpc/json/encode.js";
import type { JsonBounds } from "../../../rpc/json/json-bounds.js";
import type { Clock } from "../../../runtime/clock.js";
import type { Limits } from "../../limits.js";
import type { Telemetry } from "../../telemetry/telemetry.js";

/**
 * Judges what comes on one socket, before anything of it is acted on: form, size, rate, and whether
 * it is JSON.
 */

/**
 * A JSON value to act on, or one to refuse with an error; or what to answer, and why to close, if
 * anything. `later`: it is not read before the second is over.
 */
export type Reading =
  | { readonly value: unknown; readonly excess?: Excess }
  | { readonly answer?: string; readonly close?: readonly [CloseReason, hint: string] }
  | "later";

/** A request over the rate. */
export interface Excess {
  readonly error: ErrorObject;
  /** There are so many that to refuse each of them is too much. */
  readonly isFlood: boolean;
  /** It has been so for too long: the connection must be closed. */
  readonly isAbuse: boolean;
}

type ReaderLimits = Pick<
  Limits,
  "openFrameBytes" | "frameBytes" | "openFramesPerSecond" | "framesPerSecond" | keyof JsonBounds
>;

const maxUnparsable = 20; // in a row
const cheapToRefuse = 1_024; // bytes of a frame whose ids may be looked for only to refuse it

export class FrameReader {
  readonly #limits: ReaderLimits;
  readonly #clock: Clock;
  readonly #telemetry: Pick<Telemetry, "limitHit">;
  readonly #rate: FrameRate;
  #unparsableInARow = 0;
  #hasSentGarbage = false;

  /** `onEndOfExcess` is called when a second is over in which too much came. */
  constructor(
    limits: ReaderLimits,
    clock: Clock,
    telemetry: Pick<Telemetry, "limitHit">,
    onEndOfExcess: () => void,
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#rate = new FrameRate(onEndOfExcess);
  }

  /** How many requests were counted. */
  get counted(): number {
    return this.#rate.total;
  }

  /**
   * Counts one request: a frame, or one more element of a batch. `isOpen`: nobody has
   * authenticated. Null: it is within the rate.
   */
  count(isOpen: boolean): Excess | null {
    const limit = isOpen ? this.#limits.openFramesPerSecond : this.#limits.framesPerSecond;
    const verdict = this.#rate.count(this.#clock, limit);
    if (verdict === "within") return null;
    this.#telemetry.limitHit(isOpen ? "openFramesPerSecond" : "framesPerSecond");
    const error = errorOf("rate_limited", {
      retryAfter: 1,
      hint: `at most ${limit} requests a second here`,
    });
    return { error, isFlood: this.#rate.isFlood(limit), isAbuse: verdict === "abuse" };
  }

  read(data: Buffer, isBinary: boolean, isOpen: boolean): Reading {
    if (isBinary)
      return { close: ["unsupported_data", "send text frames, one JSON value in each"] };
    const most = isOpen ? this.#limits.openFrameBytes : this.#limits.frameBytes;
    if (data.length > most) return this.#tooBig(data.length, most, isOpen);
    const excess = this.count(isOpen); // before anything is made of it
    if (
      isOpen &&
      excess !== null &&
      !excess.isAbuse &&
      (excess.isFlood || data.length > cheapToRefuse)
    ) {
      this.#rate.postpone();
      return "later";
    }
    const decoded = decode(data.toString(), data.length, this.#limits, this.#hasSentGarbage);
    if (excess !== null) return { value: "value" in decoded ? decoded.value : null, excess };
    if ("value" in decoded) {
      this.#unparsableInARow = 0;
      return decoded;
    }
    if (decoded.excess === undefined) return this.#refuseUnreadable(decoded.error);
    this.#telemetry.limitHit(decoded.excess);
    return { answer: encodeError(null, decoded.error) };
  }

  /** Stops its timer. */
  close(): void {
    this.#rate.close();
  }

  #tooBig(length: number, most: number, isOpen: boolean): Reading {
    const limit = isOpen ? "openFrameBytes" : "frameBytes";
    this.#telemetry.limitHit(limit);
    const option = `limits.${limit}${isOpen ? " (before authentication)" : ""}`;
    return { close: ["too_big", `the frame has ${length} bytes, the limit is ${most}: ${option}`] };
  }

  #refuseUnreadable(error: ErrorObject): Reading {
    this.#hasSentGarbage = true;
    const answer = encodeError(null, error);
    if (++this.#unparsableInARow < maxUnparsable) return { answer };
    return { answer, close: ["protocol_error", `${maxUnparsable} frames in a row were not JSON`] };
  }
}

const window = 1_000; // 1 s
const maxAttempts = 10; // windows in a row

export type Verdict = "within" | "over" | "abuse";

/**
 * Counts the frames of one connection by the second. A second with too many ends by a timer, not
 * with the next frame: the server may be late itself, and must not take that for a pause of the
 * peer.
 */
export class FrameRate {
  readonly #onEnd: () => void;
  #startedAt = 0;
  #count = 0;
  #windowsOver = 0;
  /** Stops the timer that ends a window with too many frames; undefined: this one has not. */
  #cancelTimer: (() => void) | undefined;
  /** How many were counted since the connection was opened. */
  total = 0;

  /** `onEnd` is called when a second is over in which there were too many. */
  constructor(onEnd: () => void = () => {}) {
    this.#onEnd = onEnd;
  }

  /** Counts one frame against `limit` frames a second (`Infinity`: reads no clock). */
  count(clock: Pick<Clock, "monotonic" | "after">, limit: number): Verdict {
    this.total++;
    if (limit === Number.POSITIVE_INFINITY) return "within";
    const now = clock.monotonic();
    if (now - this.#startedAt >= window) this.#startWindow(now);
    this.#count++;
    if (this.#count <= limit) return "within";
    this.#cancelTimer ??= clock.after(this.#startedAt + window - now, () =>
      this.#startWindow(clock.monotonic()),
    );
    return this.#windowsOver >= maxAttempts ? "abuse" : "over";
  }

  /** Have as many again been counted in this second as the limit allows? */
  isFlood(limit: number): boolean {
    return this.#count > 2 * limit;
  }

  /** The frame that was counted last will be counted when it is read, in another second. */
  postpone(): void {
    this.total--;
    this.#count--;
  }

  /** Stops the timer. */
  close(): void {
    this.#cancelTimer?.();
  }

  #startWindow(now: number): void {
    const wasOver = this.#cancelTimer !== undefined;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#windowsOver = wasOver ? this.#windowsOver + 1 : 0;
    this.#startedAt = now;
    this.#count = 0;
    if (wasOver) this.#onEnd();
  }
}
