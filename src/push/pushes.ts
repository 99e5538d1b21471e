import { HeldPushes, type Released } from "./held-pushes.js";
import type { Outbox } from "./outbox.js";
import type { Push } from "./push.js";

type SessionState = "open" | "active" | "expired" | "closed";

/** What becomes of the pushes of one connection: sent while the session is active, held while it is expired, dropped otherwise. */
export class Pushes {
  readonly #outbox: Outbox;
  readonly #held = new HeldPushes();

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  add(push: Push, state: SessionState): void {
    if (state === "active" && !this.#held.isHolding) this.#outbox.add(push);
    else if (state === "active" || state === "expired") this.#held.hold(push); // a refresh may be about to release what came before
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
    for (const push of this.#outbox.takePushes()) this.#held.hold(push);
  }

  /** Hands over what was held, to be sent after the answer to a refresh. */
  release(): Released {
    return this.#held.release();
  }

  /** Nobody is there any more to hear them; that a subscription has ended is still told. */
  drop(): void {
    this.#outbox.takePushes(({ isEnd }) => !isEnd);
    for (const { isEnd, text } of this.#held.release().pushes) if (isEnd) this.#outbox.add(text);
  }
}
