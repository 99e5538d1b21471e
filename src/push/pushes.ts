import { HeldPushes } from "./held-pushes.js";
import type { Outbox } from "./outbox.js";

/** What becomes of the pushes of one connection: sent while the session is active, held while it is expired, dropped otherwise. */
export class Pushes {
  readonly #outbox: Outbox;
  readonly #held = new HeldPushes();

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  add(text: string, state: "open" | "active" | "expired" | "closed"): void {
    if (state === "active" && !this.#held.isHolding) this.#outbox.addPush(text);
    else if (state === "active" || state === "expired") this.#held.hold(text); // a refresh may be about to release what came before
  }

  /** The session has expired: what was not written yet is held too. */
  hold(): void {
    for (const text of this.#outbox.takePushes()) this.#held.hold(text);
  }

  /** Hands over what was held, to be sent after the answer to a refresh. */
  release(): { readonly texts: readonly string[]; readonly gap: boolean } {
    return this.#held.release();
  }

  /** Nobody is there any more to hear them. */
  drop(): void {
    this.#outbox.takePushes();
    this.#held.drop();
  }
}
