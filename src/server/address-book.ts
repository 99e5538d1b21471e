import type { Clock } from "../auth/clock.js";
import { fireAndForget } from "../runtime/application-code.js";
import { prefixOf } from "../runtime/ip-address.js";
import type { RateCount, RateCounters } from "../store/store.js";

const minute = 60_000;

interface Entry {
  open: number;
  failures: number;
  /** When the minute of the failures began, monotonic. */
  since: number;
  /** What all nodes have counted, as it was told with this node's last failure, and until when that holds, monotonic. */
  all: { readonly failures: number; readonly until: number } | undefined;
}

/**
 * What is known of each address: how many of its connections have not authenticated, and how many of its tokens failed this minute. Nodes
 * that share a store tell it of each failure, and learn from its answer what the others have counted; nobody waits for that.
 */
export class AddressBook {
  readonly #entries = new Map<string, Entry>();
  readonly #clock: Clock;
  readonly #shared: RateCounters | undefined;
  #open = 0;

  /** `shared`: counts the failures of all nodes. */
  constructor(clock: Clock, shared?: RateCounters) {
    this.#clock = clock;
    this.#shared = shared;
  }

  /** Addresses of which something is known. */
  get size(): number {
    return this.#entries.size;
  }

  /** Connections in OPEN, of all addresses. */
  get open(): number {
    return this.#open;
  }

  openOf(address: string): number {
    return this.#entries.get(prefixOf(address))?.open ?? 0;
  }

  /** Failed tokens in the last minute, here or, as far as this node has heard, on all nodes. */
  failuresOf(address: string): number {
    const entry = this.#entries.get(prefixOf(address));
    return entry === undefined ? 0 : this.#failures(entry);
  }

  opened(address: string): void {
    this.#entry(address).open++;
    this.#open++;
  }

  /** A connection has left OPEN: it authenticated or closed. */
  left(address: string): void {
    this.#entry(address).open--;
    this.#open--;
    this.#forgetIfIdle(prefixOf(address));
  }

  failed(address: string): void {
    const entry = this.#entry(address);
    if (this.#isPast(entry)) {
      entry.failures = 0;
      entry.since = this.#clock.monotonic();
    }
    entry.failures++;
    fireAndForget(
      () => this.#countWithOthers(address),
      () => {}, // it is counted here
    );
  }

  /** Forgets the addresses with nothing left to know. */
  sweep(): void {
    for (const prefix of this.#entries.keys()) this.#forgetIfIdle(prefix);
  }

  async #countWithOthers(address: string): Promise<void> {
    const rate = await this.#shared?.add(`failed-token\0${prefixOf(address)}`, this.#clock.now() / 1_000);
    if (rate !== undefined) this.#learn(address, rate);
  }

  #learn(address: string, { count, endsIn }: RateCount): void {
    this.#entry(address).all = { failures: count, until: this.#clock.monotonic() + endsIn * 1_000 };
  }

  #entry(address: string): Entry {
    const prefix = prefixOf(address);
    const known = this.#entries.get(prefix);
    if (known !== undefined) return known;
    const entry: Entry = { open: 0, failures: 0, since: this.#clock.monotonic(), all: undefined };
    this.#entries.set(prefix, entry);
    return entry;
  }

  #failures(entry: Entry): number {
    const all = entry.all === undefined || this.#clock.monotonic() >= entry.all.until ? 0 : entry.all.failures;
    return Math.max(this.#isPast(entry) ? 0 : entry.failures, all);
  }

  #isPast(entry: Entry): boolean {
    return this.#clock.monotonic() - entry.since >= minute;
  }

  #forgetIfIdle(prefix: string): void {
    const entry = this.#entries.get(prefix);
    if (entry !== undefined && entry.open === 0 && this.#failures(entry) === 0) this.#entries.delete(prefix);
  }
}
