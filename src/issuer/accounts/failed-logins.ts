import { fireAndForget } from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";
import { prefixOf } from "../../runtime/ip-address.js";
import type { RateCount, RateCounters } from "../../store/store.js";

/**
 * Too many logins of one address have failed, whatever the accounts: come again in `retryAfter`
 * seconds.
 */
export class TooManyFailuresError extends Error {
  override readonly name = "TooManyFailuresError";
  readonly retryAfter: number;

  constructor(retryAfter: number) {
    super(`too many failed logins from your address: try again in ${retryAfter} s`);
    this.retryAfter = retryAfter;
  }
}

/**
 * Failed logins of one address (an IPv6 /64 counts as one) in a minute, over all its accounts and
 * all nodes.
 */
export class FailedLogins {
  readonly #rates: RateCounters;
  readonly #most: number;
  readonly #clock: Clock;

  /** `most`: of one address in a minute; 0: no limit. */
  constructor(rates: RateCounters, most: number, clock: Clock) {
    this.#rates = rates;
    this.#most = most;
    this.#clock = clock;
  }

  /**
   * Rejects with {@link TooManyFailuresError} when the address may not try now. `rates`: the
   * login's own way to them.
   */
  async check(address: string, rates = this.#rates): Promise<void> {
    if (!this.#isCounted(address)) return;
    const rate = await rates.get(keyOf(address), this.#now());
    if (rate.count >= this.#most) throw new TooManyFailuresError(waitOf(rate));
  }

  /**
   * Does a login that counts as failed as long as it is being done: of many at the same time none
   * slips past the limit. Taken back unless it gives undefined: a right one costs nothing, and
   * neither does one that the store kept from being judged.
   */
  async counting<T>(
    address: string,
    login: () => Promise<T | undefined>,
    rates = this.#rates,
  ): Promise<T | undefined> {
    if (!this.#isCounted(address)) return login();
    const key = keyOf(address);
    const rate = await rates.add(key, this.#now());
    if (rate.count > this.#most) throw new TooManyFailuresError(waitOf(rate));
    let hasFailed = false;
    try {
      const outcome = await login();
      hasFailed = outcome === undefined;
      return outcome;
    } finally {
      // not in the login's time; at worst it counts for a minute
      if (!hasFailed)
        fireAndForget(
          () => this.#rates.giveBack(key, this.#now()),
          () => {},
        );
    }
  }

  /** An application that logs in by itself need not say for whom. */
  #isCounted(address: string): boolean {
    return this.#most < Number.POSITIVE_INFINITY && address !== "";
  }

  #now(): number {
    return this.#clock.now() / 1_000;
  }
}

function keyOf(address: string): string {
  return `failed-login\0${prefixOf(address)}`;
}

function waitOf({ endsIn }: RateCount): number {
  return Math.max(Math.ceil(endsIn), 1);
}
