import { prefixOf } from "../../runtime/ip-address.js";
import type { StoreRecords, UserRecord } from "../../store/store.js";
import type { IssuerSettings } from "../issuer-options.js";
import type { MasterKey } from "../master-key.js";
import type { Revoker } from "../revoker.js";
import { FailedLogins } from "./failed-logins.js";
import type { HashingQueue } from "./hashing-queue.js";
import { refusalOf, usernameIn } from "./password-token.js";
import { freshVersion, UserVersions } from "./user-versions.js";

/**
 * Sets passwords by the tokens of invitations and resets. A refused token counts as a failed login.
 */
export class PasswordRedemption {
  readonly #settings: IssuerSettings;
  readonly #queue: HashingQueue;
  readonly #masterKey: MasterKey;
  readonly #failedLogins: FailedLogins;
  readonly #versions: UserVersions;

  constructor(
    settings: IssuerSettings,
    queue: HashingQueue,
    masterKey: MasterKey,
    revoker: Revoker,
  ) {
    const { store, failedLoginsPerAddress, clock } = settings;
    this.#settings = settings;
    this.#queue = queue;
    this.#masterKey = masterKey;
    this.#failedLogins = new FailedLogins(store.rates, failedLoginsPerAddress, clock);
    this.#versions = new UserVersions(store.users, revoker, clock);
  }

  /**
   * Returns the user whose token that is; `undefined`: the token is refused, whatever the reason.
   * Does not consume the token. A lock after failed logins keeps no token from being used: users
   * reset the password that they have tried in vain. Rejects with `TooManyFailuresError`, or what
   * the store rejects with.
   */
  judge(store: StoreRecords, token: string, address: string): Promise<UserRecord | undefined> {
    return this.#failedLogins.counting(
      address,
      () => this.#judge(store, token, address),
      store.rates,
    );
  }

  /**
   * Consumes the token, sets the password, and ends all sessions of the user. Returns the user with
   * the new hash; `undefined`: the token was used, replaced or voided meanwhile. Of any number of
   * simultaneous uses, on whatever nodes, one succeeds. Rejects with `BusyError`, or what the store
   * rejects with.
   */
  async redeem(
    judged: UserRecord,
    token: string,
    password: string,
    address: string,
  ): Promise<UserRecord | undefined> {
    const { hasher, logger } = this.#settings;
    const { username: subject, passwordToken } = judged;
    if (passwordToken === undefined) return undefined;
    const { purpose, hash: passwordTokenHash } = passwordToken;
    const passwordHash = await this.#queue.run(
      { account: subject, prefix: prefixOf(address) },
      () => hasher.hash(password),
    );
    const reason = purpose === "reset" ? "password reset" : "invitation accepted";
    const isSet = await this.#versions.change(subject, {
      change: { passwordHash, passwordToken: undefined },
      next: freshVersion,
      reason,
      expected: (user) =>
        refusalOf(token, user, this.#now()) === undefined ? { passwordTokenHash } : undefined,
    });
    if (!isSet) return undefined;
    logger.info({ event: "password.set", subject, purpose, address }, "a user set a password");
    if (purpose === "reset")
      logger.info({ event: "sessions.ended", subject, reason }, "all sessions of a user ended");
    return { ...judged, passwordHash };
  }

  async #judge(
    store: StoreRecords,
    token: string,
    address: string,
  ): Promise<UserRecord | undefined> {
    const username = usernameIn(token);
    const user = username === undefined ? undefined : await store.users.get(username);
    const detail = username === undefined ? "malformed" : refusalOf(token, user, this.#now());
    if (detail === undefined) return user;
    if (username !== undefined) {
      const { hasher } = this.#settings;
      const key = await this.#masterKey.attemptKey(
        store.secrets,
        username,
        address,
        user?.passwordHash,
      );
      // as much time as a good token takes, or a login: it tells nothing about users
      await this.#queue.run({ account: username, prefix: prefixOf(address) }, async () => {
        // in the slot: what is refused as busy is not counted for the address
        await store.attempts.fail(key, this.#now());
        await hasher.verify(hasher.decoy, "");
      });
    }
    this.#settings.logger.warn(
      { event: "password.fail", address, subject: user?.username, detail },
      "a token to set a password was refused",
    );
    return undefined;
  }

  #now(): number {
    return this.#settings.clock.now() / 1_000;
  }
}
