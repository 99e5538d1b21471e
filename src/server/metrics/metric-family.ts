import type { Histogram } from "../telemetry/histogram.js";

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  /** After the family's name: `_bucket`, `_sum`, `_count` of a histogram. */
  readonly suffix?: string;
  readonly labels: Labels;
  readonly value: number;
}

/** One metric with all its label values, as it is now. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: () => Iterable<Sample>;
  /** Comes before a look at the samples, where there is time to wait for it. */
  readonly prepare?: () => Promise<unknown>;
}

export function counter(name: string, help: string, samples: () => Iterable<Sample>): MetricFamily {
  return { name, help, type: "counter", samples };
}

export function gauge(name: string, help: string, samples: () => Iterable<Sample>): MetricFamily {
  return { name, help, type: "gauge", samples };
}

export function histogramFamily(
  name: string,
  help: string,
  samples: () => Iterable<Sample>,
): MetricFamily {
  return { name, help, type: "histogram", samples };
}

/** One value without labels. */
export function plain(value: number): readonly Sample[] {
  return [{ labels: {}, value }];
}

export function histogramSamples(
  labels: Labels,
  { bounds, counts, sum, count }: Histogram,
): readonly Sample[] {
  let below = 0;
  const buckets = bounds.map((bound, index) => {
    below += counts[index] ?? 0;
    return { suffix: "_bucket", labels: { ...labels, le: String(bound) }, value: below };
  });
  return [
    ...buckets,
    { suffix: "_bucket", labels: { ...labels, le: "+Inf" }, value: count },
    { suffix: "_sum", labels, value: sum },
    { suffix: "_count", labels, value: count },
  ];
}
