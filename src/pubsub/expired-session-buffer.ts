import type { Push } from "./push.js";

const maxMessages = 256;
const maxBytes = 262_144; // 256 KiB

/** What a refresh releases. */
export interface Released {
  readonly pushes: readonly Push[];
  /** Pushes were dropped. */
  readonly gap: boolean;
  /** The subscriptions of those that were. */
  readonly lossy: ReadonlySet<string>;
}

const nothing: Released = { pushes: [], gap: false, lossy: new Set() };

/**
 * Pushes for an expired session, kept in order until a refresh. When there are too many all are
 * dropped, and the gap is told.
 */
export class ExpiredSessionBuffer {
  #pushes: Push[] = [];
  #bytes = 0;
  /** Present once there were too many: the subscriptions that lost events. */
  #lossy: Set<string> | undefined;

  /** Something was held, or dropped, that a refresh must release first. */
  get isHolding(): boolean {
    return this.#pushes.length > 0 || this.#lossy !== undefined;
  }

  /** Is something held for this subscription? */
  has(subscription: string | undefined): boolean {
    return this.#pushes.some((push) => push.subscription === subscription);
  }

  /** Returns how many pushes were lost by it. */
  hold(push: Push): number {
    if (this.#lossy !== undefined && !push.isEnd) return lose([push], this.#lossy);
    this.#pushes.push(push);
    this.#bytes += Buffer.byteLength(push.text);
    const isFull =
      this.#lossy === undefined && (this.#pushes.length > maxMessages || this.#bytes > maxBytes);
    return isFull ? this.#overflow() : 0;
  }

  /** Forgets the events of one subscription; its end is still to be told. */
  forget(subscription: string): void {
    this.#pushes = this.#pushes.filter((push) => push.isEnd || push.subscription !== subscription);
    this.#bytes = this.#pushes.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  }

  /** Hands over what was held, and starts anew. */
  release(): Released {
    if (!this.isHolding) return nothing;
    const released = {
      pushes: this.#pushes,
      gap: this.#lossy !== undefined,
      lossy: this.#lossy ?? nothing.lossy,
    };
    this.drop();
    return released;
  }

  drop(): void {
    this.#pushes = [];
    this.#bytes = 0;
    this.#lossy = undefined;
  }

  #overflow(): number {
    const lossy = new Set<string>();
    const ends = this.#pushes.filter(({ isEnd }) => isEnd);
    const lost = lose(this.#pushes, lossy) - ends.length;
    this.#lossy = lossy;
    this.#pushes = ends;
    this.#bytes = 0;
    return lost;
  }
}

/** Notes whose they were. Returns how many. */
function lose(pushes: readonly Push[], lossy: Set<string>): number {
  for (const { subscription } of pushes) if (subscription !== undefined) lossy.add(subscription);
  return pushes.length;
}
