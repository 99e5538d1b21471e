import { fireAndForget } from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";
import { prefixOf } from "../../runtime/ip-address.js";
import type { RateCount, RateCounters } from "../../store/store.js";

const minute = 60_000;

// with failures, some 10 MB: who has an IPv6 /32 has four billion of them
const maxPrefixes = 65_536;
// a map whose first entries were deleted is slow to find the next one
const forgottenAtOnce = 1_024;

interface Failures {
  count: number;
  /** When the minute of the failures began, monotonic. */
  since: number;
  /**
   * What all nodes have counted, as it was told with this node's last failure, and until when that
   * holds, monotonic.
   */
  all: { readonly count: number; readonly until: number } | undefined;
}

/**
 * What is known of each address: how many of its connections have not authenticated, and how many
 * of its tokens failed this minute. Nodes that share a store tell it of each failure, and learn
 * from its answer what the others have counted; nobody waits for that.
 */
export class AddressCounters {
  /** By prefix; bounded by the connections. */
  readonly #openOf = new Map<string, number>();
  /** By prefix, the longest known first. */
  readonly #failuresOf = new Map<string, Failures>();
  readonly #clock: Clock;
  readonly #shared: RateCounters | undefined;
  #open = 0;

  /** `shared`: counts the failures of all nodes. */
  constructor(clock: Clock, shared?: RateCounters) {
    this.#clock = clock;
    this.#shared = shared;
  }

  /** Addresses with connections in OPEN, and addresses with failures. */
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

  /** Failed tokens in the last minute, here or, as far as this node has heard, on all nodes. */
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
      () => {}, // it is counted here
    );
  }

  /** Forgets the failures that are over. */
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
