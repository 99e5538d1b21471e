import type { Push } from "./push.js";

const maxMessages = 256;
const maxBytes = 262_144; // 256 KiB

/** The pushes that a refresh releases. */
export interface Released {
  readonly pushes: readonly Push[];
  /** Whether pushes were dropped. */
  readonly gap: boolean;
  /** The subscriptions whose pushes were dropped. */
  readonly lossy: ReadonlySet<string>;
}

const nothing: Released = { pushes: [], gap: false, lossy: new Set() };

/**
 * Keeps the pushes for an expired session in order until a refresh. Above a limit drops all of them
 * and reports a gap.
 */
export class ExpiredSessionBuffer {
  #pushes: Push[] = [];
  #bytes = 0;
  /** The subscriptions that lost events; present after an overflow. */
  #lossy: Set<string> | undefined;

  /** Whether a refresh must first release held pushes, or report dropped ones. */
  get isHolding(): boolean {
    return this.#pushes.length > 0 || this.#lossy !== undefined;
  }

  /** Returns whether pushes of this subscription are held. */
  has(subscription: string | undefined): boolean {
    return this.#pushes.some((push) => push.subscription === subscription);
  }

  /** Adds a push. Returns the number of pushes that this drops. */
  hold(push: Push): number {
    if (this.#lossy !== undefined && !push.isEnd) return lose([push], this.#lossy);
    this.#pushes.push(push);
    this.#bytes += Buffer.byteLength(push.text);
    const isFull =
      this.#lossy === undefined && (this.#pushes.length > maxMessages || this.#bytes > maxBytes);
    return isFull ? this.#overflow() : 0;
  }

  /** Drops the events of one subscription, but keeps the message of its end. */
  forget(subscription: string): void {
    this.#pushes = this.#pushes.filter((push) => push.isEnd || push.subscription !== subscription);
    this.#bytes = this.#pushes.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  }

  /** Returns the held pushes and empties the buffer. */
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

/** Adds the subscriptions of dropped pushes to `lossy`. Returns the number of pushes. */
function lose(pushes: readonly Push[], lossy: Set<string>): number {
  for (const { subscription } of pushes) if (subscription !== undefined) lossy.add(subscription);
  return pushes.length;
}
