import type { Overload } from "../admission/overload.js";
import type { Revocations } from "../cluster/revocations.js";
import { within } from "../lifecycle/shutdown.js";
import type { TokenAuthority } from "../token-authority.js";

const timeoutMs = 1_000; // 1 s for a store that hangs

/** Whether the server is fit for traffic. */
export class Readiness {
  readonly #revocations: Revocations;
  readonly #authority: TokenAuthority;
  readonly #overload: Pick<Overload, "reason">;
  /** Set when the server begins to stop. */
  isDraining = false;
  #wasStoreThere = false;

  constructor(
    revocations: Revocations,
    authority: TokenAuthority,
    overload: Pick<Overload, "reason">,
  ) {
    this.#revocations = revocations;
    this.#authority = authority;
    this.#overload = overload;
  }

  /** Why it is not, or null. Never rejects. */
  async reason(): Promise<string | null> {
    if (this.isDraining) return "draining";
    if (this.#overload.reason !== null) return this.#overload.reason;
    if (!(await this.isStoreThere())) return "the store can't be reached";
    return (await this.#authority.isReady()) ? null : "no keys to verify tokens with";
  }

  /** Was the store there when it was last looked for? */
  get wasStoreThere(): boolean {
    return this.#wasStoreThere;
  }

  /** Is all known that was revoked? Never rejects. */
  async isStoreThere(): Promise<boolean> {
    let isThere = false;
    const known = this.#revocations.whenCurrent().then(
      () => {
        isThere = true;
      },
      () => {}, // that is the answer; the store's own log says why
    );
    await within(timeoutMs, known);
    this.#wasStoreThere = isThere;
    return isThere;
  }
}
