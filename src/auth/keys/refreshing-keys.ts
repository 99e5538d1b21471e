import { hash } from "node:crypto";
import type { Clock } from "../../runtime/clock.js";
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
  readonly unknownKeys: KeyFetchRate;
  /** The pause after a failed fetch, doubled by each further failure up to the second number. */
  readonly backOff: readonly [number, number];
}

export const remoteTimes: RefreshTimes = {
  maxAge: 600_000, // 10 min
  maxStale: 3_600_000, // 1 h
  // whatever peers make up, others wait 7.5 s for a new key
  unknownKeys: { perPeer: 30_000, average: 7_500, burst: 4 },
  backOff: [1_000, 60_000], // 1 s to 60 s
};

/** Our own issuer's set costs no network, and a key that it withdraws stops at once. */
export const embeddedTimes: RefreshTimes = {
  ...remoteTimes,
  maxAge: 1_000,
  unknownKeys: { perPeer: 0, average: 0, burst: 1 },
};

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
const maxUnjudged = 1_024; // tokens, some 150 KB

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
  readonly #budget: KeyFetchBudget;
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
    this.#budget = new KeyFetchBudget(times.unknownKeys, clock);
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
    if (this.#unjudged.size > maxUnjudged && oldest !== undefined) this.#unjudged.delete(oldest);
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

interface KeyFetchRate {
  /** Milliseconds between two fetches that the same peer causes. */
  readonly perPeer: number;
  /** Milliseconds between two fetches on average, whoever causes them. */
  readonly average: number;
  /** Fetches that may come at once. */
  readonly burst: number;
}

/**
 * Rate of the fetches that tokens with an unknown `kid` cause: a token bucket for all, in which no
 * peer has more than one fetch at a time.
 */
class KeyFetchBudget {
  readonly #rate: KeyFetchRate;
  readonly #clock: Clock;
  /**
   * When each peer caused its last fetch; never more than there were fetches in the last `perPeer`
   * milliseconds.
   */
  readonly #lastOfPeer = new Map<string, number>();
  /** When the bucket will be full again, monotonic. */
  #fullAt = Number.NEGATIVE_INFINITY;

  constructor(rate: KeyFetchRate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /**
   * Takes one fetch for this peer. Returns 0, or the milliseconds until there is one.
   */
  take(peer: string): number {
    const { perPeer, average, burst } = this.#rate;
    const now = this.#clock.monotonic();
    for (const [other, at] of this.#lastOfPeer)
      if (now - at >= perPeer) this.#lastOfPeer.delete(other);
    const ofPeer = (this.#lastOfPeer.get(peer) ?? Number.NEGATIVE_INFINITY) + perPeer - now;
    const ofAll = this.#fullAt - (burst - 1) * average - now;
    const wait = Math.max(ofPeer, ofAll, 0);
    if (wait > 0) return wait;
    this.#fullAt = Math.max(this.#fullAt, now) + average;
    if (perPeer > 0) this.#lastOfPeer.set(peer, now);
    return 0;
  }
}
