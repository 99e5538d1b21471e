import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

const resolution = 20; // ms
const freshness = 1_000; // 1 s: metrics that are read together show the same interval

/** Seconds. */
export interface Delay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** How late the event loop is; measured while it runs, and begun anew with every reading. */
export class EventLoopDelay {
  #histogram: IntervalHistogram | undefined;
  #last: { readonly delay: Delay; readonly at: number } | undefined;

  start(): void {
    if (this.#histogram !== undefined) return;
    this.#histogram = monitorEventLoopDelay({ resolution });
    this.#histogram.enable();
  }

  read(): Delay {
    const now = performance.now();
    if (this.#last !== undefined && now - this.#last.at < freshness) return this.#last.delay;
    const histogram = this.#histogram;
    // it counts its own interval, too
    const seconds = (nanoseconds: number) => Math.max(nanoseconds / 1e9 - resolution / 1000, 0);
    const isEmpty = histogram === undefined || histogram.count === 0;
    const delay = isEmpty
      ? { p50: 0, p99: 0, max: 0 }
      : {
          p50: seconds(histogram.percentile(50)),
          p99: seconds(histogram.percentile(99)),
          max: seconds(histogram.max),
        };
    histogram?.reset();
    this.#last = { delay, at: now };
    return delay;
  }

  stop(): void {
    this.#histogram?.disable();
    this.#histogram = undefined;
  }
}
