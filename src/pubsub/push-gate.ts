import { ExpiredSessionBuffer, type Released } from "./expired-session-buffer.js";
import type { Outbox } from "./outbox.js";
import type { Push } from "./push.js";

type SessionState = "open" | "active" | "expired" | "closed";

/**
 * What becomes of the pushes of one connection: sent while the session is active, held while it is
 * expired, dropped otherwise.
 */
export class PushGate {
  readonly #outbox: Outbox;
  readonly #held = new ExpiredSessionBuffer();
  readonly #counts: PushCounts;

  constructor(outbox: Outbox, counts: PushCounts) {
    this.#outbox = outbox;
    this.#counts = counts;
  }

  add(push: Push, state: SessionState): void {
    if (state === "active" && !this.#held.isHolding) {
      this.#counts.sent++;
      this.#outbox.add(push);
    } else if (state === "active" || state === "expired") {
      this.#hold(push); // a refresh may be about to release what came before
    } else this.#counts.dropped++;
  }

  /** The end of a subscription: told in every state, but behind its events that wait. */
  addEnd(push: Push, state: SessionState): void {
    if (state === "active" || this.#held.has(push.subscription)) this.add(push, state);
    else this.#outbox.add(push.text);
  }

  /** Takes back the events of a subscription that nobody wants any more, or may see. */
  forget(subscription: string): void {
    this.#outbox.takePushes((push) => push.subscription === subscription && !push.isEnd);
    this.#held.forget(subscription);
  }

  /** The session has expired: what was not written yet is held too. */
  hold(): void {
    for (const push of this.#outbox.takePushes()) this.#hold(push);
  }

  /** Hands over what was held, to be sent after the answer to a refresh. */
  release(): Released {
    const released = this.#held.release();
    this.#counts.sent += released.pushes.length;
    return released;
  }

  /** Nobody is there any more to hear them; that a subscription has ended is still told. */
  drop(): void {
    const unheard = this.#outbox.takePushes(({ isEnd }) => !isEnd).length;
    const { pushes } = this.#held.release();
    this.#counts.dropped += unheard + pushes.length;
    for (const { isEnd, text } of pushes) if (isEnd) this.#outbox.add(text);
  }

  #hold(push: Push): void {
    this.#counts.held++;
    this.#counts.overflowed += this.#held.hold(push);
  }
}

/** What became of the pushes of all connections. */
export interface PushCounts {
  /** Given to a live session's socket, or about to be. */
  sent: number;
  /** Kept for an expired session; released ones are counted as sent too. */
  held: number;
  /** For nobody. */
  dropped: number;
  /** Held at first, but then there were too many: all of them were dropped, and the gap is told. */
  overflowed: number;
}

/** What became of those who read slowly, on all connections. */
export interface SlowReaderCounts {
  /**
   * More events waited for a subscription than its buffer holds: some were dropped, and the next
   * one says so.
   */
  gap: number;
  /** The same, where the subscription ends then. */
  ended: number;
}
