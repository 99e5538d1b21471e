import { fireAndForget } from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";
import { prefixOf } from "../../runtime/ip-address.js";
import type { RateCount, RateCounters } from "../../store/store.js";

const minute = 60_000;

// with failures, about 10 MB; the holder of an IPv6 /32 has four billion prefixes
const maxPrefixes = 65_536;
// in batches, since a Map whose first entries were deleted finds its first entry slowly
const forgottenAtOnce = 1_024;

interface Failures {
  count: number;
  /** Start of the current window, monotonic. */
  since: number;
  /**
   * The count of all nodes, from the store's answer to this node's last failure, and the end of
   * that count's window, monotonic.
   */
  all: { readonly count: number; readonly until: number } | undefined;
}

/**
 * Counts, by address, the connections that have not authenticated and the tokens that failed in the
 * last minute. Nodes with a shared store report each failure to the store, whose answer has the
 * count of all nodes; no caller waits for that answer.
 */
export class AddressCounters {
  /** By prefix; the number of connections bounds its size. */
  readonly #openOf = new Map<string, number>();
  /** By prefix, in order of insertion. */
  readonly #failuresOf = new Map<string, Failures>();
  readonly #clock: Clock;
  readonly #shared: RateCounters | undefined;
  #open = 0;

  /** @param shared counts the failures of all nodes */
  constructor(clock: Clock, shared?: RateCounters) {
    this.#clock = clock;
    this.#shared = shared;
  }

  /** Number of addresses with connections in OPEN plus number of addresses with failures. */
  get size(): number {
    return this.#openOf.size + this.#failuresOf.size;
  }

  /** Connections in OPEN, of all addresses. */
  get open(): number {
    return this.#open;
  }

  openOf(address: string): number {
    return this.#openOf.get(prefixOf(address)) ?? 0;
  }

  /** Failed tokens in the last minute, on this node or, if known and greater, on all nodes. */
  failuresOf(address: string): number {
    const failures = this.#failuresOf.get(prefixOf(address));
    return failures === undefined ? 0 : this.#count(failures);
  }

  opened(address: string): void {
    this.#openOf.set(prefixOf(address), this.openOf(address) + 1);
    this.#open++;
  }

  /** A connection has left OPEN: it authenticated or closed. */
  left(address: string): void {
    const left = this.openOf(address) - 1;
    if (left > 0) this.#openOf.set(prefixOf(address), left);
    else this.#openOf.delete(prefixOf(address));
    this.#open--;
  }

  failed(address: string): void {
    const prefix = prefixOf(address);
    const failures = this.#failures(prefix);
    if (this.#isPast(failures)) {
      failures.count = 0;
      failures.since = this.#clock.monotonic();
    }
    failures.count++;
    fireAndForget(
      () => this.#countWithOthers(prefix),
      () => {}, // this node has counted the failure
    );
  }

  /** Removes failures whose window has ended. */
  sweep(): void {
    for (const [prefix, failures] of this.#failuresOf)
      if (this.#count(failures) === 0) this.#failuresOf.delete(prefix);
  }

  async #countWithOthers(prefix: string): Promise<void> {
    const rate = await this.#shared?.add(`failed-token\0${prefix}`, this.#clock.now() / 1_000);
    if (rate !== undefined) this.#learn(prefix, rate);
  }

  #learn(prefix: string, { count, endsIn }: RateCount): void {
    this.#failures(prefix).all = { count, until: this.#clock.monotonic() + endsIn * 1_000 };
  }

  #failures(prefix: string): Failures {
    const known = this.#failuresOf.get(prefix);
    if (known !== undefined) return known;
    if (this.#failuresOf.size >= maxPrefixes) this.#forgetOldest();
    const failures: Failures = { count: 0, since: this.#clock.monotonic(), all: undefined };
    this.#failuresOf.set(prefix, failures);
    return failures;
  }

  #forgetOldest(): void {
    for (const prefix of this.#failuresOf.keys()) {
      if (this.#failuresOf.size <= maxPrefixes - forgottenAtOnce) return;
      this.#failuresOf.delete(prefix);
    }
  }

  #count({ count, since, all }: Failures): number {
    const now = this.#clock.monotonic();
    return Math.max(
      now - since >= minute ? 0 : count,
      all === undefined || now >= all.until ? 0 : all.count,
    );
  }

  #isPast({ since }: Failures): boolean {
    return this.#clock.monotonic() - since >= minute;
  }
}
