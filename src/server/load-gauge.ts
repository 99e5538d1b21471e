/** What the process is under: figures of the machine, or of a test. */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";

export interface LoadGauge {
  start(): void;
  stop(): void;
  /** Of the time since the last call. Undefined: there is nothing to say about so short a time. */
  delays(most: number): Delays | undefined;
  /** Used part of what the heap may grow to, percent. */
  heapPercent(): number;
}

/** How often the delay of the event loop was measured, and how often it was over the milliseconds that were asked for. */
export interface Delays {
  readonly measured: number;
  readonly over: number;
}

const resolution = 20; // ms
const shortest = 500; // ms between two looks

export class MachineGauge implements LoadGauge {
  #histogram: IntervalHistogram | undefined;
  #lookedAt = 0;

  start(): void {
    this.#histogram ??= monitorEventLoopDelay({ resolution });
    this.#histogram.enable();
    this.#lookedAt = performance.now();
  }

  stop(): void {
    this.#histogram?.disable();
    this.#histogram = undefined;
  }

  delays(most: number): Delays | undefined {
    const now = performance.now(); // not the server's clock: a test may let a minute of that pass in no time
    if (this.#histogram === undefined || now - this.#lookedAt < shortest) return undefined;
    this.#lookedAt = now;
    const delays = { measured: this.#histogram.count, over: countOver(this.#histogram, most) };
    this.#histogram.reset();
    return delays;
  }

  /** V8 collects garbage at the latest halfway from what is alive to the limit: at 85 %, 70 % of it are alive. */
  heapPercent(): number {
    const { used_heap_size, heap_size_limit } = getHeapStatistics();
    return (used_heap_size / heap_size_limit) * 100;
  }
}

/** Looks for the rank of the first delay that is longer than `most` milliseconds. */
function countOver(histogram: IntervalHistogram, most: number): number {
  const { count, max } = histogram;
  const limit = (most + resolution) * 1e6; // ns; it counts its own interval, too
  if (count === 0 || max <= limit) return 0; // as good as always
  let [within, over] = [0, count];
  while (over - within > 1) {
    const rank = (within + over) >>> 1;
    if (histogram.percentile((rank / count) * 100) > limit) over = rank;
    else within = rank;
  }
  return count - over + 1;
}
