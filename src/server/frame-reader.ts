/** Judges what comes on one socket, before anything of it is acted on: form, size, rate, and whether it is JSON. */
import type { Clock } from "../auth/clock.js";
import type { CloseReason } from "../protocol/close-codes.js";
import { type ErrorObject, errorOf } from "../protocol/error-codes.js";
import { decode } from "../rpc/decode.js";
import { encodeError } from "../rpc/encode.js";
import { readEnvelope } from "../rpc/envelope.js";
import type { JsonBounds } from "../rpc/json-bounds.js";
import { FrameRate } from "./frame-rate.js";
import type { Limits } from "./limits.js";
import type { Telemetry } from "./telemetry.js";

/** A JSON value to act on; or what to answer, and why to close, if anything. */
export type Reading = { readonly value: unknown } | { readonly answer?: string; readonly close?: readonly [CloseReason, hint: string] };

type ReaderLimits = Pick<Limits, "openFrameBytes" | "frameBytes" | "openFramesPerSecond" | "framesPerSecond" | keyof JsonBounds>;

const mostUnparsable = 20; // in a row

export class FrameReader {
  readonly #limits: ReaderLimits;
  readonly #clock: Clock;
  readonly #telemetry: Pick<Telemetry, "limitHit">;
  readonly #rate = new FrameRate();
  #unparsableInARow = 0;
  #hasSentGarbage = false;

  constructor(limits: ReaderLimits, clock: Clock, telemetry: Pick<Telemetry, "limitHit">) {
    this.#limits = limits;
    this.#clock = clock;
    this.#telemetry = telemetry;
  }

  /** How many requests were counted. */
  get counted(): number {
    return this.#rate.total;
  }

  /** Counts one request: a frame, or an element of a batch. `isOpen`: nobody has authenticated. Null: it is within the rate. */
  count(isOpen: boolean): { readonly error: ErrorObject; readonly isAbuse: boolean } | null {
    const limit = isOpen ? this.#limits.openFramesPerSecond : this.#limits.framesPerSecond;
    const verdict = this.#rate.count(this.#clock, limit);
    if (verdict === "within") return null;
    this.#telemetry.limitHit(isOpen ? "openFramesPerSecond" : "framesPerSecond");
    const error = errorOf("rate_limited", { retryAfter: 1, hint: `at most ${limit} requests a second here` });
    return { error, isAbuse: verdict === "abuse" };
  }

  read(data: Buffer, isBinary: boolean, isOpen: boolean): Reading {
    if (isBinary) return { close: ["unsupported_data", "send text frames, one JSON value in each"] };
    const most = isOpen ? this.#limits.openFrameBytes : this.#limits.frameBytes;
    if (most > 0 && data.length > most) return this.#tooBig(data.length, most, isOpen);
    const decoded = decode(data.toString(), data.length, this.#limits, this.#hasSentGarbage);
    const value = "value" in decoded ? decoded.value : null;
    const isBatch = Array.isArray(value) && value.length > 0;
    const excess = isBatch ? null : this.count(isOpen); // a batch is counted by its elements
    if (excess !== null) return refuseExcess(value, excess.error, excess.isAbuse);
    if ("value" in decoded) {
      this.#unparsableInARow = 0;
      return decoded;
    }
    if (decoded.excess === undefined) return this.#refuseUnreadable(decoded.error);
    this.#telemetry.limitHit(decoded.excess);
    return { answer: encodeError(null, decoded.error) };
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
    if (++this.#unparsableInARow < mostUnparsable) return { answer };
    return { answer, close: ["protocol_error", `${mostUnparsable} frames in a row were not JSON`] };
  }
}

function refuseExcess(value: unknown, error: ErrorObject, isAbuse: boolean): Reading {
  const { id } = readEnvelope(value);
  const close = isAbuse ? { close: ["too_many_requests", "slow down"] as const } : {};
  return id === undefined ? close : { answer: encodeError(id, error), ...close };
}
