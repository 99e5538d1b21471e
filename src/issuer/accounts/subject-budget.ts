import { fireAndForget } from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";
import type { RateCounters } from "../../store/store.js";

/**
 * One subject has asked for too many tokens, or revoked too many: come again in `retryAfter`
 * seconds.
 */
export class TooManyTokensError extends Error {
  override readonly name = "TooManyTokensError";
  readonly retryAfter: number;

  constructor(retryAfter: number) {
    super(`too many tokens of one user: try again in ${retryAfter} s`);
    this.retryAfter = retryAfter;
  }
}

/**
 * What is counted: one's use of the one leaves the others free, so that whoever refreshes without
 * end can still log out.
 */
export type Spending = "login" | "refresh" | "revoke" | "client";

/** What one subject may have the store keep, or write, in a minute, over all nodes. */
export class SubjectBudget {
  readonly #rates: RateCounters;
  readonly #most: number;
  readonly #clock: Clock;

  /** `most`: of each kind, of one subject in a minute. */
  constructor(rates: RateCounters, most: number, clock: Clock) {
    this.#rates = rates;
    this.#most = most;
    this.#clock = clock;
  }

  /**
   * Takes one. Rejects with {@link TooManyTokensError} when the subject has none left. `rates`: an
   * operation's own way to them.
   */
  async spend(what: Spending, subject: string, rates = this.#rates): Promise<void> {
    if (this.#most === Number.POSITIVE_INFINITY) return;
    const { count, endsIn } = await rates.add(`${what}\0${subject}`, this.#clock.now() / 1_000);
    if (count > this.#most) throw new TooManyTokensError(Math.max(Math.ceil(endsIn), 1));
  }

  /** Nothing came of it. Nobody waits for that: at worst it counts for a minute. */
  giveBack(what: Spending, subject: string): void {
    if (this.#most === Number.POSITIVE_INFINITY) return;
    fireAndForget(
      () => this.#rates.giveBack(`${what}\0${subject}`, this.#clock.now() / 1_000),
      () => {},
    );
  }
}
