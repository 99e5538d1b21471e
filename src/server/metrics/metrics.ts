import { mustBeSynchronous } from "../../runtime/application-code.js";
import { EventLoopDelay } from "./event-loop-delay.js";
import type { MetricFamily } from "./metric-family.js";
import { type MetricsPort, openMetricsPort } from "./metrics-endpoint.js";
import { prometheusText } from "./prometheus-text.js";
import { type MetricSources, serverMetrics } from "./server-metrics.js";

/** A registry of prom-client's shape: what it asks of a metric is `name` and `get`. */
export interface MetricsRegistry {
  /** Adds a metric to the registry. */
  registerMetric(metric: RegisteredMetric): void;
}

/** One metric, as prom-client's registry takes it. */
export interface RegisteredMetric {
  /** The name in Prometheus. */
  readonly name: string;
  /** What is measured. */
  readonly help: string;
  /** Counter, gauge or histogram. */
  readonly type: MetricFamily["type"];
  /** How values of several workers are joined. */
  readonly aggregator: "sum";
  /** Returns the values of this moment. */
  get(): Promise<{
    readonly name: string;
    readonly help: string;
    readonly type: MetricFamily["type"];
    readonly aggregator: "sum";
    readonly values: readonly {
      readonly value: number;
      readonly labels: Readonly<Record<string, string>>;
      readonly metricName: string;
    }[];
  }>;
  /** Does nothing: the server counts. */
  reset(): void;
}

/** How metrics are exposed. */
export interface MetricsOptions {
  /**
   * Where `/metrics` is served, 0 = any free port. With a `registry`, nowhere.
   * @default 9464
   */
  readonly port?: number;
  /**
   * The address on which `/metrics` is served.
   * @default 127.0.0.1
   */
  readonly host?: string;
  /**
   * Your own registry, of prom-client's shape, to which the metrics are added.
   * @default none
   */
  readonly registry?: MetricsRegistry;
}

const defaultPort = 9464; // that of OpenTelemetry's exporter for Prometheus

/** The metrics of one server, and the port on which they are read. */
export class Metrics {
  readonly #families: readonly MetricFamily[];
  readonly #options: MetricsOptions;
  readonly #eventLoop = new EventLoopDelay();
  #port: MetricsPort | undefined;

  constructor(options: MetricsOptions, sources: Omit<MetricSources, "eventLoop">) {
    this.#options = options;
    this.#families = serverMetrics({ ...sources, eventLoop: this.#eventLoop });
    this.#eventLoop.start();
    for (const family of this.#families)
      mustBeSynchronous(
        options.registry?.registerMetric(registered(family)),
        "registerMetric of metrics.registry",
      );
  }

  /**
   * In Prometheus' text format. What must be asked for first is as it was when somebody last did.
   */
  text(): string {
    void this.#prepare();
    return prometheusText(this.#families);
  }

  /** Opens the port, if there is to be one. Rejects when it can't be had. Returns it. */
  async listen(): Promise<number | undefined> {
    const {
      registry,
      port = registry === undefined ? defaultPort : undefined,
      host = "127.0.0.1",
    } = this.#options;
    if (port === undefined) return undefined;
    this.#port = await openMetricsPort(port, host, async () => {
      await this.#prepare();
      return prometheusText(this.#families);
    });
    return this.#port.port;
  }

  close(): void {
    this.#eventLoop.stop();
    this.#port?.close();
  }

  /** Never rejects. */
  async #prepare(): Promise<void> {
    await Promise.all(this.#families.map(({ prepare }) => prepare?.()));
  }
}

function registered({ name, help, type, samples, prepare }: MetricFamily): RegisteredMetric {
  const about = { name, help, type, aggregator: "sum" } as const;
  return {
    ...about,
    async get() {
      await prepare?.();
      const values = Array.from(samples(), ({ suffix = "", labels, value }) => ({
        value,
        labels,
        metricName: name + suffix,
      }));
      return { ...about, values };
    },
    reset() {}, // they count from the start of the server
  };
}
