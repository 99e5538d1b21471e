import {
  type EventLoopUtilization,
  type IntervalHistogram,
  monitorEventLoopDelay,
  performance,
} from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";

/** What the process is under: figures of the machine, or of a test. */

export interface LoadGauge {
  start(): void;
  stop(): void;
  /** Of the time since the last call. Undefined: there is nothing to say about so short a time. */
  delays(most: number): Delays | undefined;
  /** Used part of what the heap may grow to, percent. */
  heapPercent(): number;
}

/**
 * How often the delay of the event loop was measured, and how often it was over the milliseconds
 * that were asked for.
 */
export interface Delays {
  readonly measured: number;
  readonly over: number;
}

const resolution = 50; // ms
const shortest = 500; // ms between two looks
/**
 * Share of the time from which delays are measured. They can't be long before; and to be woken up
 * to measure them takes 0.1 % of a core.
 */
const busy = 0.1;

export class MachineGauge implements LoadGauge {
  #histogram: IntervalHistogram | undefined;
  #isMeasuring = false;
  #lookedAt = 0;
  #utilization: EventLoopUtilization | undefined;

  start(): void {
    this.#histogram ??= monitorEventLoopDelay({ resolution });
    this.#lookedAt = performance.now();
    this.#utilization = performance.eventLoopUtilization();
  }

  stop(): void {
    this.#measure(false);
    this.#histogram = undefined;
  }

  delays(most: number): Delays | undefined {
    // not the server's clock: a test may let a minute of that pass in no time
    const elapsed = performance.now() - this.#lookedAt;
    if (this.#histogram === undefined || elapsed < shortest) return undefined;
    this.#lookedAt += elapsed;
    const delays = this.#isMeasuring
      ? measuredBy(this.#histogram, elapsed, most)
      : { measured: Math.round(elapsed / resolution), over: 0 };
    this.#histogram.reset();
    this.#measure(this.#isBusy());
    return delays;
  }

  /**
   * V8 collects garbage at the latest halfway from what is alive to the limit: at 85 %, 70 % of it
   * are alive.
   */
  heapPercent(): number {
    const { used_heap_size, heap_size_limit } = getHeapStatistics();
    return (used_heap_size / heap_size_limit) * 100;
  }

  /** Has the event loop been, since the last time that this was asked? */
  #isBusy(): boolean {
    const before = this.#utilization;
    this.#utilization = performance.eventLoopUtilization();
    return performance.eventLoopUtilization(this.#utilization, before).utilization >= busy;
  }

  #measure(isOn: boolean): void {
    if (isOn) this.#histogram?.enable();
    else this.#histogram?.disable();
    this.#isMeasuring = isOn;
  }
}

/**
 * A histogram measures from its first turn of the loop after a reset. One that has measured nothing
 * had one turn at most in all that time: a loop that hangs for seconds, again and again, would look
 * like one that was never late.
 */
function measuredBy(histogram: IntervalHistogram, elapsed: number, most: number): Delays {
  // before that turn, or after it
  if (histogram.count === 0) return { measured: 1, over: elapsed / 2 > most + resolution ? 1 : 0 };
  return { measured: histogram.count, over: countOver(histogram, most) };
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

interface Report {
  readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } };
}

// asked once: it takes some milliseconds
let known: { readonly limit: number | undefined } | undefined;

/**
 * How many files this process may have open, sockets among them (`ulimit -n`); undefined: any
 * number, or it can't be known.
 */
export function openFilesLimit(): number | undefined {
  known ??= { limit: limitIn(report()) };
  return known.limit;
}

/** A diagnostic report without the names of all peers, for which Node would wait. */
function report(): Report {
  // Node 20.13; too new for its types
  const reporter = process.report as typeof process.report & { excludeNetwork?: boolean };
  const { excludeNetwork } = reporter;
  reporter.excludeNetwork = true;
  try {
    return reporter.getReport();
  } finally {
    if (excludeNetwork !== undefined) reporter.excludeNetwork = excludeNetwork;
  }
}

/** A number, or "unlimited"; Windows has none. */
function limitIn({ userLimits }: Report): number | undefined {
  const soft = userLimits?.open_files?.soft;
  return typeof soft === "number" ? soft : undefined;
}
