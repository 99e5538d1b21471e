import type { Clock } from "../auth/clock.js";
import type { Store } from "../store/store.js";
import type { IssuerLogger } from "./issuer-options.js";

const interval = 3_600_000; // 1 h
const attemptMemory = 86_400; // 24 h, in s: failures older than that are forgotten

/** Forgets what has ended: at most once an hour, beside a request, so that an idle issuer has no timer. */
export class Housekeeping {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: IssuerLogger;
  #dueAt: number;

  constructor(store: Store, clock: Clock, logger: IssuerLogger) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.#dueAt = clock.monotonic() + interval;
  }

  tidyIfDue(): void {
    if (this.#clock.monotonic() < this.#dueAt) return;
    this.#dueAt = this.#clock.monotonic() + interval;
    this.#tidy().catch((error: unknown) =>
      this.#logger.warn({ event: "issuer.untidy", err: error }, "ended sessions could not be removed"),
    );
  }

  async #tidy(): Promise<void> {
    const now = this.#clock.now() / 1_000;
    await this.#store.families.sweep(now);
    await this.#store.attempts.sweep(now - attemptMemory);
    await this.#store.revocations.list(now); // reading forgets those that are over
  }
}
