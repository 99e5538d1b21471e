import type { Clock } from "../auth/clock.js";
import type { Logger } from "../rpc/logger.js";
import { CallWatch } from "./call-watch.js";
import { Metrics, type MetricsOptions } from "./metrics.js";
import type { MetricSources } from "./server-metrics.js";
import { Telemetry } from "./telemetry.js";
import { type CallTracer, loadTracer } from "./tracing.js";

export interface InstrumentOptions {
  readonly metrics?: MetricsOptions;
  readonly tracing?: boolean;
}

/** All by which a server can be watched. */
export class Instruments {
  readonly telemetry = new Telemetry();
  readonly calls: CallWatch;
  readonly #options: InstrumentOptions;
  readonly #log: Logger;
  #metrics: Metrics | undefined;
  #tracer: CallTracer | undefined;

  constructor(options: InstrumentOptions, clock: Clock, log: Logger) {
    this.#options = options;
    this.#log = log;
    const meter = options.metrics === undefined ? undefined : this.telemetry.calls;
    this.calls = new CallWatch(clock, meter, () => this.#tracer);
  }

  /** From now on there are metrics, if there are to be any. */
  measure(sources: Omit<MetricSources, "eventLoop" | "telemetry">): void {
    const { metrics } = this.#options;
    if (metrics !== undefined) this.#metrics = new Metrics(metrics, { telemetry: this.telemetry, ...sources });
  }

  /** Loads what traces and opens the port of the metrics, which it returns. Rejects when that can't be had. */
  async start(): Promise<number | undefined> {
    if (this.#options.tracing === true) {
      this.#tracer = await loadTracer();
      if (this.#tracer === undefined) this.#log.warn({ event: "tracing" }, "nothing is traced: npm install @opentelemetry/api");
    }
    return this.#metrics?.listen();
  }

  /** Throws `TypeError` when there are no metrics. */
  text(): string {
    if (this.#metrics === undefined) throw new TypeError("metricsText: the server was made without the option metrics");
    return this.#metrics.text();
  }

  close(): void {
    this.#metrics?.close();
  }
}
