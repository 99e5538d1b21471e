import { type RateCount, type RateCounters, rateWindow } from "../store.js";

interface Counter {
  count: number;
  /** When its minute began, in seconds. */
  readonly since: number;
}

// some 10 MiB, whatever addresses an attacker has; above it the oldest is forgotten
const maxCounters = 65_536;

/** Counts in this process alone. */
export class MemoryRates implements RateCounters {
  /** The oldest first. */
  readonly #counters = new Map<string, Counter>();

  async add(key: string, now: number): Promise<RateCount> {
    const known = this.#find(key, now);
    if (known !== undefined) {
      known.count += 1;
      return rateOf(known, now);
    }
    const begun = { count: 1, since: now };
    this.#counters.delete(key);
    this.#makeRoom(now);
    this.#counters.set(key, begun);
    return rateOf(begun, now);
  }

  async giveBack(key: string, now: number): Promise<void> {
    const known = this.#find(key, now);
    if (known !== undefined) known.count = Math.max(known.count - 1, 0);
  }

  async get(key: string, now: number): Promise<RateCount> {
    const known = this.#find(key, now);
    return known === undefined ? { count: 0, endsIn: 0 } : rateOf(known, now);
  }

  #find(key: string, now: number): Counter | undefined {
    const counter = this.#counters.get(key);
    return counter === undefined || isOver(counter, now) ? undefined : counter;
  }

  #makeRoom(now: number): void {
    for (const [key, counter] of this.#counters) {
      if (!isOver(counter, now) && this.#counters.size < maxCounters) return;
      this.#counters.delete(key);
    }
  }
}

function rateOf({ count, since }: Counter, now: number): RateCount {
  return { count, endsIn: since + rateWindow - now };
}

/** A clock that was set back closes nobody out for longer. */
function isOver({ since }: Counter, now: number): boolean {
  return now < since || now >= since + rateWindow;
}
