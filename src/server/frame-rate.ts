import type { Clock } from "../runtime/clock.js";

const window = 1_000; // 1 s
const patience = 10; // windows in a row

export type Verdict = "within" | "over" | "abuse";

/**
 * Counts the frames of one connection by the second. A second with too many ends by a timer, not with the next frame: the server may be
 * late itself, and must not take that for a pause of the peer.
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

  /** Counts one frame against `limit` frames a second (0 = none: then no clock is looked at). */
  count(clock: Pick<Clock, "monotonic" | "after">, limit: number): Verdict {
    this.total++;
    if (limit === 0) return "within";
    const now = clock.monotonic();
    if (now - this.#startedAt >= window) this.#startWindow(now);
    this.#count++;
    if (this.#count <= limit) return "within";
    this.#cancelTimer ??= clock.after(this.#startedAt + window - now, () => this.#startWindow(clock.monotonic()));
    return this.#windowsOver >= patience ? "abuse" : "over";
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
