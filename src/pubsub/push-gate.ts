import { HeldPushes, type Released } from "./held-pushes.js";
import type { Outbox } from "./outbox.js";
import type { Push } from "./push.js";
import type { PushCounts } from "./push-counts.js";

type SessionState = "open" | "active" | "expired" | "closed";

/** What becomes of the pushes of one connection: sent while the session is active, held while it is expired, dropped otherwise. */
export class Pushes {
  readonly #outbox: Outbox;
  readonly #held = new HeldPushes();
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
