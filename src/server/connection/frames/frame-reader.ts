import type { CloseReason } from "../../../protocol/close-codes.js";
import { type ErrorObject, errorOf } from "../../../protocol/error-codes.js";
import { decode } from "../../../rpc/json/decode.js";
import { encodeError } from "../../../rpc/json/encode.js";
import type { JsonBounds } from "../../../rpc/json/json-bounds.js";
import type { Clock } from "../../../runtime/clock.js";
import type { Limits } from "../../limits.js";
import type { Telemetry } from "../../telemetry/telemetry.js";

/**
 * Checks the frames of one socket before their dispatch: type, size, rate and JSON syntax.
 */

/**
 * The result of reading a frame: a JSON value to dispatch, or to refuse if there is an `excess`; or
 * an answer, a close reason, or both; or `later` for a frame to read again when the current second
 * is over.
 */
export type Reading =
  | { readonly value: unknown; readonly excess?: Excess }
  | { readonly answer?: string; readonly close?: readonly [CloseReason, hint: string] }
  | "later";

/** A request over the rate. */
export interface Excess {
  readonly error: ErrorObject;
  /** Whether there are too many requests to refuse each of them. */
  readonly isFlood: boolean;
  /** Whether the excess has lasted too long, so that the connection must be closed. */
  readonly isAbuse: boolean;
}

type ReaderLimits = Pick<
  Limits,
  "openFrameBytes" | "frameBytes" | "openFramesPerSecond" | "framesPerSecond" | keyof JsonBounds
>;

const maxUnparsable = 20; // in a row
const cheapToRefuse = 1_024; // bytes up to which a frame is parsed only to refuse it by its ids

export class FrameReader {
  readonly #limits: ReaderLimits;
  readonly #clock: Clock;
  readonly #telemetry: Pick<Telemetry, "limitHit">;
  readonly #rate: FrameRate;
  #unparsableInARow = 0;
  #hasSentGarbage = false;

  /** @param onEndOfExcess called at the end of a second with too many requests */
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

  /** Number of requests counted. */
  get counted(): number {
    return this.#rate.total;
  }

  /**
   * Counts one request: a frame, or a further element of a batch. Returns `null` if the request is
   * within the rate. `isOpen` means that the connection has no session.
   */
  count(isOpen: boolean): Excess | null {
    const limit = isOpen ? this.#limits.openFramesPerSecond : this.#limits.framesPerSecond;
    const verdict = this.#rate.count(this.#clock, limit);
    if (verdict === "within") return null;
    this.#telemetry.limitHit(isOpen ? "openFramesPerSecond" : "framesPerSecond");
    const error = errorOf("rate_limited", {
      retryAfter: 1,
      hint: `at most ${limit} requests per second; slow down`,
    });
    return { error, isFlood: this.#rate.isFlood(limit), isAbuse: verdict === "abuse" };
  }

  read(data: Buffer, isBinary: boolean, isOpen: boolean): Reading {
    if (isBinary)
      return {
        close: [
          "unsupported_data",
          "binary frames are not supported; send text frames with one JSON value each",
        ],
      };
    const max = isOpen ? this.#limits.openFrameBytes : this.#limits.frameBytes;
    if (data.length > max) return this.#tooBig(data.length, max, isOpen);
    const excess = this.count(isOpen); // before the frame is parsed
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

  /** Stops the timer of the rate limit. */
  close(): void {
    this.#rate.close();
  }

  #tooBig(length: number, max: number, isOpen: boolean): Reading {
    const limit = isOpen ? "openFrameBytes" : "frameBytes";
    this.#telemetry.limitHit(limit);
    const option = `limits.${limit}${isOpen ? " (before authentication)" : ""}`;
    return { close: ["too_big", `the frame has ${length} bytes, the limit is ${max}: ${option}`] };
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
 * A fixed-window counter for the frames of one connection. A timer ends a window with too many
 * frames, not the next frame, so that a delay of the server does not count as a pause of the peer.
 */
export class FrameRate {
  readonly #onEnd: () => void;
  #startedAt = 0;
  #count = 0;
  #windowsOver = 0;
  /** Stops the timer that ends a window with too many frames; `undefined` in any other window. */
  #cancelTimer: (() => void) | undefined;
  /** Number of frames counted since the connection opened. */
  total = 0;

  /** @param onEnd called at the end of a window with too many frames */
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

  /** Returns whether this window has more than twice the frames that the limit allows. */
  isFlood(limit: number): boolean {
    return this.#count > 2 * limit;
  }

  /** Takes the last frame out of the count; reading it in a later window counts it again. */
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
