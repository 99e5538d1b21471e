import { hash } from "node:crypto";
import type { Clock } from "../../runtime/clock.js";
import { PeerBudget, type PeerRate } from "../../runtime/peer-budget.js";
import { describe } from "../../runtime/thrown.js";
import { TokenRefusedError } from "../refusal.js";
import { readKeySet, type UnusedKey } from "./key-policy.js";
import {
  chooseKeys,
  type KeySource,
  type KeyTable,
  keyTableOf,
  type Presented,
  unknownKey,
  type VerificationKey,
  type WantedKey,
} from "./key-source.js";

/** Times of a key set that is fetched, milliseconds. */
export interface RefreshTimes {
  /**
   * How long a set is used before it is fetched anew: a key that was removed from it verifies so
   * long.
   */
  readonly maxAge: number;
  /** How much longer it is used while it can't be fetched. */
  readonly maxStale: number;
  /** How often tokens with a `kid` that is not in the set may cause a fetch. */
  readonly unknownKeys: PeerRate;
  /** The pause after a failed fetch, doubled by each further failure up to the second number. */
  readonly backOff: readonly [number, number];
  /** Tokens that are remembered until their `kid` could be looked up, some 150 bytes each. */
  readonly maxUnjudged: number;
}

export const remoteTimes: RefreshTimes = {
  maxAge: 600_000, // 10 min
  maxStale: 3_600_000, // 1 h
  // whatever peers make up, others wait 7.5 s for a new key
  unknownKeys: { perPeer: 30_000, peerBurst: 1, average: 7_500, burst: 4 },
  backOff: [1_000, 60_000], // 1 s to 60 s
  maxUnjudged: 1_024,
};

/** Our own issuer's set costs no network, and a key that it withdraws stops at once. */
export const embeddedTimes: RefreshTimes = {
  ...remoteTimes,
  maxAge: 1_000,
  unknownKeys: { perPeer: 0, peerBurst: 1, average: 0, burst: 1 },
};

/** One of many issuers that were looked up: each takes less memory. */
export const lookedUpTimes: RefreshTimes = { ...remoteTimes, maxUnjudged: 64 };

/** Where a key set comes from. */
export interface KeySetSource {
  /** Gets the set, already parsed. Rejects with an Error that says why it can't. */
  readonly load: () => Promise<unknown>;
  /** The algorithms that are accepted of its keys. */
  readonly algorithms: readonly string[];
  /** Called after each failed attempt, with the reason. */
  readonly onFailure: (detail: string) => void;
  /** Called once for each key that is not used. */
  readonly onUnusedKey: (key: UnusedKey) => void;
}

interface LoadedKeys {
  readonly table: KeyTable;
  readonly at: number; // monotonic, milliseconds
  /** Which fetch it came of. */
  readonly fetch: number;
}

const maxPassedOver = 1_000; // keys that were reported, so that none is reported twice

/**
 * A key set that is kept fresh as tokens come: one fetch at a time, not before it is needed. While
 * fetches fail the last good set verifies on, without waiting. No keys at all, or an unknown `kid`
 * while the set can't be read: `auth_unavailable`.
 *
 * That a `kid` is in no set is only certain when the set was fetched after the token was presented.
 * As long as no fetch is allowed, a token with an unknown `kid` is `auth_unavailable`, too, and
 * refused when it is presented again after the next fetch.
 */
export class RefreshingKeys implements KeySource {
  readonly #source: KeySetSource;
  readonly #clock: Clock;
  readonly #times: RefreshTimes;
  readonly #budget: PeerBudget;
  /**
   * Tokens that could not be judged: how many fetches had begun when each was presented first. The
   * oldest first.
   */
  readonly #unjudged = new Map<string, number>();
  #loaded: LoadedKeys | undefined;
  #fetching: Promise<void> | undefined;
  #fetches = 0; // that have begun
  readonly #passedOver = new Set<string>();
  #failures = 0; // in a row
  #failure = "not fetched yet";
  #mayFetchAt = Number.NEGATIVE_INFINITY; // after a failure

  constructor(source: KeySetSource, clock: Clock, times: RefreshTimes) {
    this.#source = source;
    this.#clock = clock;
    this.#times = times;
    this.#budget = new PeerBudget(times.unknownKeys, clock);
  }

  async find(wanted: WantedKey, presented: Presented): Promise<readonly VerificationKey[]> {
    const fetchesBefore = this.#fetches;
    const keys =
      chooseKeys(await this.#current(), wanted) ??
      (await this.#findUnknown(wanted, presented, fetchesBefore));
    if (keys === undefined) throw unknownKey(wanted);
    return keys;
  }

  async isReady(): Promise<boolean> {
    if (!this.#usable()) await this.#fetch();
    return this.#usable() !== undefined;
  }

  async #current(): Promise<KeyTable> {
    if (this.#age() > this.#times.maxAge) {
      const fetched = this.#fetch();
      if (this.#failures === 0 || !this.#usable()) await fetched;
    }
    const table = this.#usable();
    if (!table) throw this.#unavailable();
    return table;
  }

  #age(): number {
    return this.#loaded ? this.#clock.monotonic() - this.#loaded.at : Number.POSITIVE_INFINITY;
  }

  #usable(): KeyTable | undefined {
    return this.#age() <= this.#times.maxAge + this.#times.maxStale
      ? this.#loaded?.table
      : undefined;
  }

  async #findUnknown(
    wanted: WantedKey,
    { token, peer }: Presented,
    fetchesBefore: number,
  ): Promise<readonly VerificationKey[] | undefined> {
    const digest = hash("sha256", token, "base64url");
    const presentedAfter = this.#unjudged.get(digest) ?? fetchesBefore;
    for (;;) {
      if (this.#fetching) await this.#fetching;
      const table = this.#usable();
      const keys = table && chooseKeys(table, wanted);
      const isCertain =
        keys !== undefined || (this.#failures === 0 && (this.#loaded?.fetch ?? 0) > presentedAfter);
      if (isCertain) this.#unjudged.delete(digest);
      if (isCertain) return keys;
      if (this.#failures > 0 && this.#clock.monotonic() < this.#mayFetchAt)
        throw this.#unavailable();
      if (this.#fetching) continue; // it has begun while this one waited for another
      // after failures the back-off rules alone
      const wait = this.#failures > 0 ? 0 : this.#budget.take(peer);
      if (wait > 0) {
        this.#remember(digest, presentedAfter);
        throw new TokenRefusedError(
          "auth_unavailable",
          "kid is not in the issuer's key set as it was fetched last",
          wait,
        );
      }
      await this.#fetch();
      if (this.#failures > 0) throw this.#unavailable();
    }
  }

  #remember(digest: string, presentedAfter: number): void {
    this.#unjudged.set(digest, presentedAfter);
    const [oldest] = this.#unjudged.keys();
    if (this.#unjudged.size > this.#times.maxUnjudged && oldest !== undefined)
      this.#unjudged.delete(oldest);
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
    const fetch = ++this.#fetches;
    try {
      const set = readKeySet(await this.#source.load(), this.#source.algorithms);
      for (const key of set.unused) this.#passOver(key);
      if (set.usable.length === 0) throw new Error(emptinessOf(set.unused));
      this.#loaded = { table: keyTableOf(set), at: this.#clock.monotonic(), fetch };
      this.#failures = 0;
    } catch (error) {
      const [first, longest] = this.#times.backOff;
      this.#mayFetchAt = this.#clock.monotonic() + Math.min(first * 2 ** this.#failures, longest);
      this.#failures += 1;
      this.#failure = describe(error).message;
      this.#source.onFailure(this.#failure);
    }
  }

  #passOver(key: UnusedKey): void {
    const { keyId, reason } = key;
    const text = JSON.stringify([keyId, reason]);
    if (this.#passedOver.has(text)) return;
    if (this.#passedOver.size >= maxPassedOver) this.#passedOver.clear();
    this.#passedOver.add(text);
    this.#source.onUnusedKey(key);
  }

  #unavailable(): TokenRefusedError {
    const wait = Math.max(this.#mayFetchAt - this.#clock.monotonic(), 0);
    return new TokenRefusedError(
      "auth_unavailable",
      `the issuer's keys can't be had: ${this.#failure}`,
      wait,
    );
  }
}

/** Why a set is as bad as none: the last good one is used on. */
function emptinessOf(unused: readonly UnusedKey[]): string {
  const [first] = unused;
  return first === undefined
    ? "the key set is empty"
    : `no key of the set can be used: ${first.reason}`;
}
