import type { Clock } from "../../runtime/clock.js";

/** Too many passwords are being checked: come again in `retryAfter` seconds. */
export class BusyError extends Error {
  override readonly name = "BusyError";
  readonly retryAfter = 2;

  constructor() {
    super("too many passwords are being checked: try again in 2 s");
  }
}

/** For whom a password is hashed. */
export interface Applicant {
  readonly account: string;
  /** The prefix of the peer's address. */
  readonly prefix: string;
}

interface Waiter extends Applicant {
  readonly begin: () => void;
  readonly refuse: () => void;
}

const maxPerAccount = 32; // wherever they come from: a /56 of IPv6 has 256 prefixes
const maxPerPrefix = 32; // an office behind one address
const maxWaiting = 128;
// each place in the queue is bounded by its owner, so a long wait takes nothing from others
const maxWaitMs = 5_000;

/**
 * Lets few hashes run at once: each takes tens of MiB and a thread of libuv's pool, which files
 * need too. Those that wait take turns: the prefixes of addresses one after the other, and within a
 * prefix its accounts (round robin), so that nobody waits for more than one hash of each other one.
 * Whoever needs a place where none is free takes one from those with more: within a prefix from the
 * account with the most waiting, in all from the prefix with the most. Rejects with
 * {@link BusyError} when no place is left, when another took it, and when the wait is too long.
 */
export class HashingQueue {
  readonly #slots: number;
  readonly #clock: Clock;
  /** By prefix, then by account; the next turn is that of the first. */
  readonly #waiting = new Map<string, Map<string, Waiter[]>>();
  readonly #ofAccount = new Map<string, number>();
  readonly #ofPrefix = new Map<string, number>();
  #size = 0;
  #running = 0;

  constructor(slots: number, clock: Clock) {
    this.#slots = slots;
    this.#clock = clock;
  }

  async run<T>(applicant: Applicant, job: () => Promise<T>): Promise<T> {
    if (this.#running < this.#slots) this.#running += 1;
    else await this.#turn(applicant);
    try {
      return await job();
    } finally {
      this.#passOn();
    }
  }

  /** Resolves when a slot was handed over. */
  #turn({ account, prefix }: Applicant): Promise<void> {
    if (!this.#makeRoom({ account, prefix })) return Promise.reject(new BusyError());
    return new Promise((resolve, reject) => {
      const stopWaiting = this.#clock.after(maxWaitMs, () => {
        this.#leave(waiter);
        reject(new BusyError());
      });
      const settle = (act: () => void) => () => {
        stopWaiting();
        this.#leave(waiter);
        act();
      };
      const waiter: Waiter = {
        account,
        prefix,
        begin: settle(resolve),
        refuse: settle(() => reject(new BusyError())),
      };
      this.#join(waiter);
    });
  }

  #join(waiter: Waiter): void {
    const { account, prefix } = waiter;
    const accounts = this.#waiting.get(prefix) ?? new Map<string, Waiter[]>();
    const own = accounts.get(account) ?? [];
    own.push(waiter);
    accounts.set(account, own);
    this.#waiting.set(prefix, accounts);
    this.#count(waiter, 1);
  }

  #leave(waiter: Waiter): void {
    const { account, prefix } = waiter;
    const accounts = this.#waiting.get(prefix);
    const own = accounts?.get(account);
    own?.splice(own.indexOf(waiter), 1);
    if (own?.length === 0) accounts?.delete(account);
    if (accounts?.size === 0) this.#waiting.delete(prefix);
    this.#count(waiter, -1);
  }

  #count({ account, prefix }: Applicant, change: 1 | -1): void {
    this.#size += change;
    add(this.#ofAccount, account, change);
    add(this.#ofPrefix, prefix, change);
  }

  /** False: there is no place for one more. */
  #makeRoom({ account, prefix }: Applicant): boolean {
    if (countOf(this.#ofAccount, account) >= maxPerAccount) return false;
    const accounts = this.#waiting.get(prefix) ?? new Map<string, Waiter[]>();
    const waiting = countOf(this.#ofPrefix, prefix);
    if (waiting >= maxPerPrefix)
      return takePlaceOf(greediest(accounts), (accounts.get(account)?.length ?? 0) + 1);
    if (this.#size < maxWaiting) return true;
    let [fullest, most] = ["", waiting + 1];
    for (const [candidate, count] of this.#ofPrefix)
      if (count > most) [fullest, most] = [candidate, count];
    const others = this.#waiting.get(fullest);
    return others !== undefined && takePlaceOf(greediest(others), 0);
  }

  #passOn(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    const [prefix, accounts] = next;
    for (const [account, own] of accounts) {
      moveToEnd(this.#waiting, prefix, accounts);
      moveToEnd(accounts, account, own);
      return own[0]?.begin();
    }
  }
}

/** Those of the account that has the most waiting; of several, the one whose turn comes last. */
function greediest(accounts: ReadonlyMap<string, readonly Waiter[]>): readonly Waiter[] {
  let most: readonly Waiter[] = [];
  for (const own of accounts.values()) if (own.length >= most.length) most = own;
  return most;
}

/** The newest of them gives up its place, if there are more than `spared`. */
function takePlaceOf(waiters: readonly Waiter[], spared: number): boolean {
  if (waiters.length <= spared) return false;
  waiters.at(-1)?.refuse();
  return true;
}

function countOf(counts: ReadonlyMap<string, number>, key: string): number {
  return counts.get(key) ?? 0;
}

function add(counts: Map<string, number>, key: string, change: number): void {
  const count = countOf(counts, key) + change;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}

/** A Map keeps its keys in the order in which they were set. */
function moveToEnd<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
}
