/**
 * One page of metrics for all workers: the primary asks each for its figures over its channel, and
 * puts its number beside them.
 */
import cluster, { type Worker } from "node:cluster";
import type { MetricsRegistry, RegisteredMetric } from "../../index.js";
import { gauge, type MetricFamily, type Sample } from "../../server/metrics/metric-family.js";
import { prometheusText } from "../../server/metrics/prometheus-text.js";

const timeoutMs = 2_000; // 2 s for a worker to answer; Prometheus waits 10

type Figures = readonly Awaited<ReturnType<RegisteredMetric["get"]>>[];

interface Question {
  readonly jotwire: "metrics?";
  readonly id: number;
}

interface Answer {
  readonly jotwire: "metrics";
  readonly id: number;
  readonly figures: Figures;
}

/** In a worker: keeps the metrics of its server, and tells them to the primary when that asks. */
export class ToldMetrics implements MetricsRegistry {
  readonly #metrics: RegisteredMetric[] = [];

  constructor() {
    process.on("message", (message: Partial<Question>) => {
      if (message.jotwire === "metrics?" && message.id !== undefined) void this.#tell(message.id);
    });
  }

  registerMetric(metric: RegisteredMetric): void {
    this.#metrics.push(metric);
  }

  async #tell(id: number): Promise<void> {
    const figures = await Promise.all(this.#metrics.map((metric) => metric.get()));
    const answer: Answer = { jotwire: "metrics", id, figures };
    // it could not be sent: the primary is gone, and nobody asks any more
    cluster.worker?.send(answer, () => {});
  }
}

/** In the primary. */
export class GatheredMetrics {
  readonly #workers: ReadonlyMap<Worker, number>;
  #lastId = 0;

  /** Each worker with its number, as they are at the time of a look. */
  constructor(workers: ReadonlyMap<Worker, number>) {
    this.#workers = workers;
  }

  /**
   * In Prometheus' text format, with the figures of those that answered within 2 s. Never rejects.
   */
  async text(): Promise<string> {
    const id = ++this.#lastId;
    const asked = Array.from(this.#workers, async ([worker, number]) => ({
      number,
      figures: await figuresOf(worker, id),
    }));
    const answers = await Promise.all(asked);
    const families = new Map<string, MetricFamily & { readonly gathered: Sample[] }>();
    for (const { number, figures = [] } of answers)
      for (const one of figures) gather(families, String(number), one);
    const silent = answers.filter(({ figures }) => figures === undefined).length;
    const workers = gauge(
      "jotwire_workers",
      "Worker processes: those that have answered, and those that were silent for 2 s",
      () => [
        { labels: { state: "answering" }, value: answers.length - silent },
        { labels: { state: "silent" }, value: silent },
      ],
    );
    return prometheusText([...families.values(), workers]);
  }
}

function gather(
  families: Map<string, MetricFamily & { readonly gathered: Sample[] }>,
  worker: string,
  { name, help, type, values }: Figures[number],
): void {
  const gathered = families.get(name)?.gathered ?? [];
  for (const { metricName, labels, value } of values)
    gathered.push({ suffix: metricName.slice(name.length), labels: { worker, ...labels }, value });
  families.set(name, { name, help, type, samples: () => gathered, gathered });
}

/** Undefined: it does not answer, or is gone. */
function figuresOf(worker: Worker, id: number): Promise<Figures | undefined> {
  return new Promise((resolve) => {
    const settle = (figures?: Figures) => {
      clearTimeout(timer);
      worker.off("message", onMessage);
      worker.off("disconnect", settle);
      resolve(figures);
    };
    const onMessage = (message: Partial<Answer>) => {
      if (message.jotwire === "metrics" && message.id === id) settle(message.figures);
    };
    const timer = setTimeout(settle, timeoutMs);
    worker.on("message", onMessage);
    worker.once("disconnect", settle);
    if (!worker.isConnected()) return settle();
    const question: Question = { jotwire: "metrics?", id };
    worker.send(question, (error: Error | null) => {
      if (error !== null) settle();
    });
  });
}
