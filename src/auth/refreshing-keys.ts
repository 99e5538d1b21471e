import type { Clock } from "./clock.js";
import { readKeySet } from "./key-policy.js";
import { type KeySource, publicKeyOf, selectKey, type VerificationKey } from "./key-source.js";
import { Refusal } from "./refusal.js";

/** Times of a key set that is fetched, milliseconds. */
export interface RefreshTimes {
  /** How long a set is used before it is fetched anew: a key that was removed from it verifies so long. */
  readonly maxAge: number;
  /** How much longer it is used while it can't be fetched. */
  readonly maxStale: number;
  /** How often a `kid` that is not in the set may cause a fetch. */
  readonly unknownKeyInterval: number;
  /** The pause after a failed fetch, doubled by each further failure up to the second number. */
  readonly backOff: readonly [number, number];
}

export const remoteTimes: RefreshTimes = {
  maxAge: 600_000, // 10 min
  maxStale: 3_600_000, // 1 h
  unknownKeyInterval: 30_000, // 30 s
  backOff: [1_000, 60_000], // 1 s to 60 s
};

/** Our own issuer's set costs no network, and a key that it withdraws stops at once. */
export const embeddedTimes: RefreshTimes = { ...remoteTimes, maxAge: 1_000, unknownKeyInterval: 0 };

/** Where a key set comes from. */
export interface KeySetSource {
  /** Gets the set, already parsed. Rejects with an Error that says why it can't. */
  readonly load: () => Promise<unknown>;
  /** The algorithms that are accepted of its keys. */
  readonly algorithms: readonly string[];
  /** Is told why a set could not be had or was refused, as often as it is tried. */
  readonly onFailure: (detail: string) => void;
}

interface LoadedKeys {
  readonly keys: readonly VerificationKey[];
  readonly at: number; // monotonic, milliseconds
}

/**
 * A key set that is kept fresh as tokens come: one fetch at a time, not before it is needed. While fetches fail the last good set
 * verifies on, without waiting. No keys at all, or an unknown `kid` while the set can't be read: `auth_unavailable`.
 */
export class RefreshingKeys implements KeySource {
  readonly #source: KeySetSource;
  readonly #clock: Clock;
  readonly #times: RefreshTimes;
  #loaded: LoadedKeys | undefined;
  #fetching: Promise<void> | undefined;
  #failures = 0; // in a row
  #failure = "not fetched yet";
  #mayFetchAt = Number.NEGATIVE_INFINITY; // after a failure
  #mayFetchForKeyAt = Number.NEGATIVE_INFINITY; // for an unknown kid

  constructor(source: KeySetSource, clock: Clock, times: RefreshTimes) {
    this.#source = source;
    this.#clock = clock;
    this.#times = times;
  }

  async find(keyId: string | undefined): Promise<VerificationKey | undefined> {
    const keys = await this.#current();
    const key = selectKey(keys, keyId);
    if (key || !keyId) return key;
    await this.#fetchForUnknownKey();
    const found = selectKey(this.#usable() ?? [], keyId);
    if (!found && this.#failures > 0) throw this.#unavailable();
    return found;
  }

  async isReady(): Promise<boolean> {
    if (!this.#usable()) await this.#fetch();
    return this.#usable() !== undefined;
  }

  async #current(): Promise<readonly VerificationKey[]> {
    if (this.#age() > this.#times.maxAge) {
      const fetched = this.#fetch();
      if (this.#failures === 0 || !this.#usable()) await fetched;
    }
    const keys = this.#usable();
    if (!keys) throw this.#unavailable();
    return keys;
  }

  #age(): number {
    return this.#loaded ? this.#clock.monotonic() - this.#loaded.at : Number.POSITIVE_INFINITY;
  }

  #usable(): readonly VerificationKey[] | undefined {
    return this.#age() <= this.#times.maxAge + this.#times.maxStale ? this.#loaded?.keys : undefined;
  }

  async #fetchForUnknownKey(): Promise<void> {
    if (this.#fetching) return this.#fetching;
    const now = this.#clock.monotonic();
    if (this.#failures === 0 && now < this.#mayFetchForKeyAt) return; // after failures the back-off rules alone
    this.#mayFetchForKeyAt = now + this.#times.unknownKeyInterval;
    await this.#fetch();
  }

  /** Never rejects: what went wrong is in `#failure`. */
  async #fetch(): Promise<void> {
    if (!this.#fetching && this.#clock.monotonic() < this.#mayFetchAt) return;
    this.#fetching ??= this.#fetchNow().finally(() => {
      this.#fetching = undefined;
    });
    await this.#fetching;
  }

  async #fetchNow(): Promise<void> {
    try {
      const keys = readKeySet(await this.#source.load(), this.#source.algorithms).map(publicKeyOf);
      this.#loaded = { keys, at: this.#clock.monotonic() };
      this.#failures = 0;
    } catch (error) {
      const [first, longest] = this.#times.backOff;
      this.#mayFetchAt = this.#clock.monotonic() + Math.min(first * 2 ** this.#failures, longest);
      this.#failures += 1;
      this.#failure = error instanceof Error ? error.message : "unknown failure";
      this.#source.onFailure(this.#failure);
    }
  }

  #unavailable(): Refusal {
    return new Refusal("auth_unavailable", `the issuer's keys can't be had: ${this.#failure}`);
  }
}
