import type { Clock } from "./clock.js";

/** Times in milliseconds. */
export interface PeerRate {
  /** Between two uses by the same peer, on average. */
  readonly perPeer: number;
  /** Uses that one peer may have at once. */
  readonly peerBurst: number;
  /** Between two uses on average, whoever has them. */
  readonly average: number;
  /** Uses at once. */
  readonly burst: number;
}

/**
 * Rate of something costly that any peer can cause: a token bucket for all, and one for each peer,
 * so that one peer cannot use up what the others need.
 */
export class PeerBudget {
  readonly #rate: PeerRate;
  readonly #clock: Pick<Clock, "monotonic">;
  /**
   * When the bucket of each peer will be full again, monotonic; a full one has no entry. The bucket
   * for all bounds the number of entries.
   */
  readonly #fullAtOfPeer = new Map<string, number>();
  /** When the bucket for all will be full again, monotonic. */
  #fullAt = Number.NEGATIVE_INFINITY;

  constructor(rate: PeerRate, clock: Pick<Clock, "monotonic">) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** Takes one use for this peer. Returns 0, or if none is left, the milliseconds until one is. */
  take(peer: string): number {
    const { perPeer, peerBurst, average, burst } = this.#rate;
    const now = this.#clock.monotonic();
    for (const [other, fullAt] of this.#fullAtOfPeer) {
      if (fullAt > now) break;
      this.#fullAtOfPeer.delete(other);
    }
    const fullAtOfPeer = this.#fullAtOfPeer.get(peer) ?? now;
    const ofPeer = fullAtOfPeer - (peerBurst - 1) * perPeer - now;
    const ofAll = this.#fullAt - (burst - 1) * average - now;
    const wait = Math.max(ofPeer, ofAll, 0);
    if (wait > 0) return wait;
    this.#fullAt = Math.max(this.#fullAt, now) + average;
    if (perPeer === 0) return 0;
    this.#fullAtOfPeer.delete(peer); // so that the first ones are those that are full first
    this.#fullAtOfPeer.set(peer, Math.max(fullAtOfPeer, now) + perPeer);
    return 0;
  }
}
