import type { Clock } from "../../runtime/clock.js";

export interface KeyFetchRate {
  /** Milliseconds between two fetches that the same peer causes. */
  readonly perPeer: number;
  /** Milliseconds between two fetches on average, whoever causes them. */
  readonly average: number;
  /** So many may come at once. */
  readonly burst: number;
}

/**
 * Rate of the fetches that tokens with an unknown `kid` cause: a token bucket for all, in which no
 * peer has more than one fetch at a time.
 */
export class KeyFetchBudget {
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
   * Takes one fetch for this peer. Returns 0, or if there is none, the milliseconds until there is
   * one.
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
