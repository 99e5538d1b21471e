import { ExpiredSessionBuffer, type Released } from "./expired-session-buffer.js";
import type { Outbox } from "./outbox.js";
import type { Push } from "./push.js";

type SessionState = "open" | "active" | "expired" | "closed";

/**
 * Sends the pushes of one connection while its session is active, holds them while it is expired,
 * and drops them otherwise.
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
      this.#hold(push); // also in ACTIVE, if earlier pushes still wait for their release
    } else this.#counts.dropped++;
  }

  /**
   * Adds the end of a subscription, which is sent in every state, but after the subscription's
   * waiting events.
   */
  addEnd(push: Push, state: SessionState): void {
    if (state === "active" || this.#held.has(push.subscription)) this.add(push, state);
    else this.#outbox.add(push.text);
  }

  /** Drops the unsent events of a subscription that has ended or is no longer allowed. */
  forget(subscription: string): void {
    this.#outbox.takePushes((push) => push.subscription === subscription && !push.isEnd);
    this.#held.forget(subscription);
  }

  /** Takes back the unwritten events of a subscription, in order. */
  takeBack(subscription: string): readonly Push[] {
    const taken = this.#outbox.takePushes(
      (push) => push.subscription === subscription && !push.isEnd,
    );
    this.#counts.sent -= taken.length;
    return taken;
  }

  /** Whether pushes of this subscription wait for a refresh. */
  holds(subscription: string): boolean {
    return this.#held.has(subscription);
  }

  /** Holds also the unwritten pushes, since the session has expired. */
  hold(): void {
    for (const push of this.#outbox.takePushes()) this.#hold(push);
  }

  /** Returns the held pushes, which follow the answer to a refresh. */
  release(): Released {
    const released = this.#held.release();
    this.#counts.sent += released.pushes.length;
    return released;
  }

  /** Drops all pushes but the ends of subscriptions, which are still sent. */
  drop(): void {
    const unsent = this.#outbox.takePushes(({ isEnd }) => !isEnd).length;
    const { pushes } = this.#held.release();
    this.#counts.dropped += unsent + pushes.length;
    for (const { isEnd, text } of pushes) if (isEnd) this.#outbox.add(text);
  }

  #hold(push: Push): void {
    this.#counts.held++;
    this.#counts.overflowed += this.#held.hold(push);
  }
}

/** Counts the pushes of all connections by outcome. */
export interface PushCounts {
  /** Added to the outbox of a live session. */
  sent: number;
  /** Held for an expired session; a released push also counts as sent. */
  held: number;
  /** Dropped for lack of a session. */
  dropped: number;
  /** Held, then dropped because there were too many, which is reported as a gap. */
  overflowed: number;
}

/** Counts the slow consumers of all connections by outcome. */
export interface SlowReaderCounts {
  /**
   * A subscription's buffer overflowed: events were dropped, and the next event reports the gap.
   */
  gap: number;
  /** A subscription's buffer overflowed, which ended the subscription. */
  ended: number;
}
