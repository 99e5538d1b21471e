import { prefixOf } from "../../runtime/ip-address.js";
import type { StoreRecords, UserRecord } from "../../store/store.js";
import type { IssuerSettings } from "../issuer-options.js";
import type { MasterKey } from "../master-key.js";
import { passwordProblem } from "../password-hasher.js";
import { FailedLogins } from "./failed-logins.js";
import type { Applicant, HashingQueue } from "./hashing-queue.js";
import { admitAttempt } from "./lockout.js";

/** `why`: for the log alone; the same to everybody outside. */
export type PasswordVerdict = { readonly user: UserRecord } | { readonly why: string };

/** Judges passwords, within the limits of an address and of an account. */
export class PasswordLogin {
  readonly #settings: IssuerSettings;
  readonly #queue: HashingQueue;
  readonly #masterKey: MasterKey;
  readonly #failedLogins: FailedLogins;

  constructor(settings: IssuerSettings, queue: HashingQueue, masterKey: MasterKey) {
    this.#settings = settings;
    this.#queue = queue;
    this.#masterKey = masterKey;
    this.#failedLogins = new FailedLogins(
      settings.store.rates,
      settings.failedLoginsPerAddress,
      settings.clock,
    );
  }

  /** Rejects with `TooManyFailuresError`, `BusyError`, or what the store rejects with. */
  async judge(
    store: StoreRecords,
    username: string,
    password: string,
    address: string,
  ): Promise<PasswordVerdict> {
    // before it waits for a turn to be hashed, which it would take from others
    await this.#failedLogins.check(address, store.rates);
    if (passwordProblem(password) !== undefined) return { why: "password too short or too long" };
    const applicant = { account: username, prefix: prefixOf(address) };
    const user = await this.#userOf(store, password, address, applicant);
    if (user === undefined)
      return { why: "wrong name or password, disabled, or closed for a while" };
    await this.#rehash(store, user, password, applicant).catch((error: unknown) => {
      this.#settings.logger.warn(
        { event: "password.rehash_failed", subject: user.username, err: error },
        "a password could not be hashed anew",
      );
    });
    return { user };
  }

  /** Runs the hash exactly once, whoever asks: time tells nothing about users and locks. */
  async #userOf(
    store: StoreRecords,
    password: string,
    address: string,
    applicant: Applicant,
  ): Promise<UserRecord | undefined> {
    const { hasher, clock, logger } = this.#settings;
    const judge = async (): Promise<UserRecord | undefined> => {
      const found = await store.users.get(applicant.account);
      const key = await this.#masterKey.attemptKey(
        store.secrets,
        applicant.account,
        address,
        found?.passwordHash,
      );
      const mayTry = await admitAttempt(store.attempts, key, clock.now() / 1_000);
      const mayLogIn = mayTry && found?.disabled === false && found.passwordHash !== "";
      const candidate = mayLogIn ? found : undefined;
      const isRight = await hasher.verify(candidate?.passwordHash ?? hasher.decoy, password);
      if (isRight && candidate !== undefined) {
        // in the slot: however many log in rightly at once, no more than the slots are counted
        await store.attempts.clear(key);
        return candidate;
      }
      const why = { subject: found?.username, disabled: found?.disabled, locked: !mayTry };
      // an unknown name isn't logged: it may be a password
      logger.warn({ event: "login.fail", address, ...why }, "a login was refused");
      return undefined;
    };
    return this.#queue.run(applicant, () =>
      this.#failedLogins.counting(address, judge, store.rates),
    );
  }

  async #rehash(
    store: StoreRecords,
    user: UserRecord,
    password: string,
    applicant: Applicant,
  ): Promise<void> {
    const { hasher } = this.#settings;
    if (!hasher.isOutdated(user.passwordHash)) return;
    const passwordHash = await this.#queue.run(applicant, () => hasher.hash(password));
    await store.users.update(user.username, { passwordHash }, { passwordHash: user.passwordHash });
  }
}
