import type { Clock } from "../auth/clock.js";

const window = 1_000; // 1 s
const patience = 10; // windows in a row

export type Verdict = "within" | "over" | "abuse";

/** Counts the frames of one connection by the second. */
export class FrameRate {
  #startedAt = 0;
  #count = 0;
  #windowsOver = 0;
  /** How many were counted since the connection was opened. */
  total = 0;

  /** Counts one frame against `limit` frames a second (0 = none: then no clock is looked at). */
  count(clock: Pick<Clock, "monotonic">, limit: number): Verdict {
    this.total++;
    if (limit === 0) return "within";
    const now = clock.monotonic();
    if (now - this.#startedAt >= window) this.#startWindow(now, limit);
    this.#count++;
    if (this.#count <= limit) return "within";
    return this.#windowsOver >= patience ? "abuse" : "over";
  }

  #startWindow(now: number, limit: number): void {
    const isNextWindow = now - this.#startedAt < 2 * window;
    this.#windowsOver = isNextWindow && this.#count > limit ? this.#windowsOver + 1 : 0;
    this.#startedAt = now;
    this.#count = 0;
  }
}
