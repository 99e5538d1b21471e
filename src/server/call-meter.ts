import { errorTable, standardErrors } from "../protocol/error-codes.js";
import { otherLabel } from "./telemetry/counter-map.js";
import { durationBounds, Histogram } from "./telemetry/histogram.js";

const ownCodes: ReadonlySet<number> = new Set([...Object.values(errorTable), ...Object.values(standardErrors)].map(({ code }) => code));
const mostOutcomes = 64; // of one method: declared errors are few

/** How long calls took, by method and outcome. The methods are those that exist, so there is an end to them. */
export class CallMeter {
  readonly #byMethod = new Map<string, Map<number | null, Histogram>>();

  /** `method`: null for one that does not exist. `code`: as `CallObservation.end` is told. Seconds. */
  observe(method: string | null, code: number | null, duration: number): void {
    this.#histogram(method ?? otherLabel, code).observe(duration);
  }

  *[Symbol.iterator](): Iterator<{ readonly method: string; readonly status: string; readonly histogram: Histogram }> {
    for (const [method, outcomes] of this.#byMethod)
      for (const [code, histogram] of outcomes) yield { method, status: statusOf(code), histogram };
  }

  #histogram(method: string, code: number | null): Histogram {
    const outcomes = this.#byMethod.get(method) ?? new Map<number | null, Histogram>();
    if (outcomes.size === 0) this.#byMethod.set(method, outcomes);
    const known = outcomes.get(code);
    if (known !== undefined) return known;
    const key = outcomes.size < mostOutcomes || code === null || ownCodes.has(code) ? code : Number.NaN;
    const histogram = outcomes.get(key) ?? new Histogram(durationBounds);
    outcomes.set(key, histogram);
    return histogram;
  }
}

function statusOf(code: number | null): string {
  if (code === null) return "none"; // a notification
  return code === 0 ? "OK" : Number.isNaN(code) ? otherLabel : String(code);
}
