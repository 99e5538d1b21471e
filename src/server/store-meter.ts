import { storeOperations } from "../store/timed-store.js";
import { otherLabel } from "./telemetry/counter-map.js";
import { Histogram, storeBounds } from "./telemetry/histogram.js";

interface Measured {
  readonly histogram: Histogram;
  failures: number;
}

/** How long a store's operations took, and how many failed. Those that there are, are shown from the start: an alert finds their zeros. */
export class StoreMeter {
  readonly #byOperation = new Map<string, Measured>(storeOperations.map((operation) => [operation, fresh()]));

  /** Seconds. Failed operations are timed too: a store that hangs shows as one that is slow. */
  observe(operation: string, duration: number, hasFailed: boolean): void {
    const measured = this.#byOperation.get(operation) ?? this.#other();
    measured.histogram.observe(duration);
    if (hasFailed) measured.failures++;
  }

  [Symbol.iterator](): Iterator<[string, Readonly<Measured>]> {
    return this.#byOperation[Symbol.iterator]();
  }

  /** What an issuer of somebody else's tells, under names that are not ours. */
  #other(): Measured {
    const known = this.#byOperation.get(otherLabel) ?? fresh();
    this.#byOperation.set(otherLabel, known);
    return known;
  }
}

function fresh(): Measured {
  return { histogram: new Histogram(storeBounds), failures: 0 };
}
