import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { RateCounters, UserRecord, UserRecords } from "../../store/store.js";
import { longestAccessToken } from "../issuer-options.js";
import type { PasswordHasher } from "../password-hasher.js";
import type { Revoker } from "../revoker.js";
import {
  earliestSecondOf,
  lastSecondUnder,
  laterVersion,
  newCredentialVersion,
} from "./credential-version.js";
import { newPasswordToken } from "./password-token.js";
import { checkedScopes } from "./scope-rules.js";
import {
  type Invitation,
  type NewUser,
  type PasswordReset,
  shownUser,
  type UpdateOptions,
  type User,
  type UserChange,
} from "./user.js";
import { checkClaims, checkName, checkPassword } from "./user-rules.js";
import {
  changesTooOften,
  freshVersion,
  maxTries,
  UserVersions,
  type VersionChange,
} from "./user-versions.js";

/** What the directory works with. */
export interface UserDirectoryParts {
  readonly users: UserRecords;
  readonly rates: RateCounters;
  readonly hasher: PasswordHasher;
  readonly revoker: Revoker;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info">;
}

const longestMargin = 600_000; // 10 min: longer than an access token lives by default
const endedAtOnce = 8; // users
const hour = 3_600_000; // ms
const invitationLife = 7 * 24 * hour;
const resetLife = hour;
const resetsPerMinute = 3;

/**
 * The people who may log in. Every change takes effect at the next login and refresh. `update` also
 * reaches live sessions, and all others but `add` and `enable` end them.
 */
export class UserDirectory {
  readonly #users: UserRecords;
  readonly #rates: RateCounters;
  readonly #hasher: PasswordHasher;
  readonly #revoker: Revoker;
  readonly #clock: Clock;
  readonly #logger: Pick<Logger, "info">;
  readonly #versions: UserVersions;
  /** The hash that was begun last. */
  #hashing: Promise<unknown> = Promise.resolve();

  /** Only the issuer makes one. */
  constructor({ users, rates, hasher, revoker, clock, logger }: UserDirectoryParts) {
    this.#logger = logger;
    this.#users = users;
    this.#rates = rates;
    this.#hasher = hasher;
    this.#revoker = revoker;
    this.#clock = clock;
    this.#versions = new UserVersions(users, revoker, clock);
  }

  /**
   * Throws an Error that says what is wrong with the name, the password, a scope or a claim, or
   * that the name is taken.
   */
  async add(username: string, password: string, { scopes, claims }: NewUser = {}): Promise<void> {
    checkName(username);
    checkPassword(password);
    await this.#add(username, { scopes, claims }, async () => ({
      passwordHash: await this.#hash(password),
    }));
  }

  /**
   * Adds a user without a password. Returns a token for the application to mail: with it the user
   * sets a password, once, by `issuer.setPassword`, `POST /password` or the `setPassword` of
   * `createSession`. For another token call `resetPassword`.
   *
   * @throws Error that says what is wrong with the name, a scope, a claim or `expiresIn`, or that
   * the name is taken
   * @example
   * const token = await issuer.users.invite("bob@example.com", { scopes: ["orders:read"] });
   * await sendMail("bob@example.com", `https://app.example.com/password#${token}`);
   */
  async invite(
    username: string,
    { scopes, claims, expiresIn = invitationLife }: Invitation = {},
  ): Promise<string> {
    checkName(username);
    const { token, record } = newPasswordToken(
      username,
      "invitation",
      expiresIn,
      this.#clock.now(),
    );
    await this.#add(username, { scopes, claims }, async () => ({
      passwordHash: "",
      passwordToken: record,
    }));
    this.#tokenGiven(username, record.purpose);
    return token;
  }

  /**
   * Returns a token for the application to mail, with which the user sets a new password, once, as
   * after `invite`. The password that the user has stays good until then. A newer token replaces an
   * older one. Returns `undefined` if there is no such user, the user is disabled, or has had 3
   * tokens in a minute. Answer a form before you call this method, and always the same, so that
   * nobody learns which users there are.
   *
   * @throws Error that says what is wrong with `expiresIn`
   * @example const token = await issuer.users.resetPassword("ada@example.com"); if (token !==
   * undefined) await sendMail("ada@example.com", `https://app.example.com/password#${token}`);
   */
  async resetPassword(
    username: string,
    { expiresIn = resetLife }: PasswordReset = {},
  ): Promise<string | undefined> {
    const made = newPasswordToken(username, "reset", expiresIn, this.#clock.now());
    for (let tries = 0; tries < maxTries; tries++) {
      const user = await this.#users.get(username);
      if (user === undefined || user.disabled) return undefined;
      if (tries === 0 && !(await this.#mayReset(username))) return undefined;
      const { passwordHash, credentialVersion } = user;
      const purpose = passwordHash === "" ? "invitation" : "reset";
      const passwordToken = { ...made.record, purpose } as const;
      if (!(await this.#users.update(username, { passwordToken }, { credentialVersion }))) continue;
      this.#tokenGiven(username, purpose);
      return made.token;
    }
    throw changesTooOften(username);
  }

  /** Returns a user; undefined if nobody has that name. */
  async get(username: string): Promise<User | undefined> {
    const user = await this.#users.get(username);
    return user === undefined ? undefined : shownUser(user);
  }

  /**
   * Changes scopes and claims. Live sessions get `auth.refreshRequired` with the reason
   * `claims_changed`, on every node, and end after the margin unless their clients send a new
   * token, which the SDK does. Older access tokens are refused from now on. Does nothing if nothing
   * changes. Resolves once the change is durable; after a failure, make it again.
   *
   * @throws Error that says what is wrong with a scope, a claim or the margin, or that there is no
   * such user
   */
  async update(
    username: string,
    { scopes, claims }: UserChange,
    { margin = 30_000 }: UpdateOptions = {},
  ): Promise<void> {
    if (!(margin >= 0 && margin <= longestMargin))
      throw new Error(`margin must be from 0 to ${longestMargin} milliseconds, not ${margin}`);
    if (claims !== undefined) checkClaims(claims);
    const change = {
      ...(scopes === undefined ? {} : { scopes: checkedScopes(scopes) }),
      ...(claims === undefined ? {} : { claims }),
    };
    const user = await this.#users.get(username);
    if (user === undefined) throw noSuchUser(username);
    if (isDeepStrictEqual({ ...user, ...change }, user) && (await this.#isTold(user))) return;
    const reason = "claims_changed";
    await this.#change(username, { change, next: laterVersion, reason, margin });
    this.#logger.info(
      { event: "user.changed", subject: username, changed: Object.keys(change) },
      "scopes or claims of a user changed",
    );
  }

  /**
   * Signs a user out everywhere. A new login is good at once.
   *
   * @throws Error if there is no such user
   */
  endSessions(username: string): Promise<void> {
    return this.#endSessions(username, {}, "signed out everywhere");
  }

  /** Does for all users what `endSessions` does for one. */
  async endAllSessions(): Promise<void> {
    const names = (await this.#users.list()).map(({ username }) => username);
    const reason = "all sessions ended";
    const users = names.length;
    const endNext = async (): Promise<void> => {
      for (let name = names.pop(); name !== undefined; name = names.pop())
        await this.#versions.change(name, { change: {}, next: freshVersion, reason });
    };
    await Promise.all(Array.from({ length: endedAtOnce }, endNext));
    this.#logger.info({ event: "sessions.ended", users, reason }, "all sessions ended");
  }

  /**
   * Gives a new password. Ends all sessions of the user, and the token of a `resetPassword`. Throws
   * when there is no such user.
   */
  async passwd(username: string, newPassword: string): Promise<void> {
    checkPassword(newPassword);
    await this.#endSessions(
      username,
      { passwordHash: await this.#hash(newPassword), passwordToken: undefined },
      "password changed",
    );
  }

  /**
   * No login and no refresh any more. Ends all sessions of the user, and the token of an `invite`
   * or `resetPassword`. Throws when there is no such user.
   */
  disable(username: string): Promise<void> {
    return this.#endSessions(
      username,
      { disabled: true, passwordToken: undefined },
      "user disabled",
    );
  }

  /** Takes `disable` back; ended sessions stay ended. Throws when there is no such user. */
  async enable(username: string): Promise<void> {
    await this.#update(username, { disabled: false });
    this.#logger.info({ event: "user.enabled", subject: username }, "user enabled");
  }

  /** Ends all sessions of the user. Throws when there is no such user. */
  async remove(username: string): Promise<void> {
    const user = await this.#users.get(username);
    if (!(await this.#users.remove(username))) throw noSuchUser(username);
    await this.#revoker.subject(
      username,
      lastSecondUnder(user?.credentialVersion, this.#clock.now()),
      "user removed",
    );
    this.#ended(username, "user removed");
  }

  /** Sorted by name. */
  async list(): Promise<readonly User[]> {
    return (await this.#users.list()).map(shownUser);
  }

  /**
   * One after the other, beside the few that logins may run: whoever adds a thousand users at once
   * takes the memory of one hash.
   */
  #hash(password: string): Promise<string> {
    const hash = this.#hashing.then(() => this.#hasher.hash(password));
    this.#hashing = hash.catch(() => undefined); // whoever asked hears of it
    return hash;
  }

  async #endSessions(
    username: string,
    change: Partial<Omit<UserRecord, "username">>,
    reason: string,
  ): Promise<void> {
    await this.#change(username, { change, next: freshVersion, reason });
    this.#ended(username, reason);
  }

  /**
   * Are the tokens from before the user's version revoked? Whoever made it may have failed before
   * that.
   */
  async #isTold({ username, credentialVersion, createdAt }: UserRecord): Promise<boolean> {
    const last = earliestSecondOf(credentialVersion) - 1;
    const isOver = last < (this.#clock.now() - longestAccessToken) / 1_000;
    return last < createdAt || isOver || (await this.#revoker.revokedUpTo(username)) >= last;
  }

  async #add(
    username: string,
    { scopes = [], claims = {} }: { [Member in keyof NewUser]: NewUser[Member] | undefined },
    credentials: () => Promise<Pick<UserRecord, "passwordHash" | "passwordToken">>,
  ): Promise<void> {
    checkClaims(claims);
    const allowed = checkedScopes(scopes);
    // of somebody who had the name before
    const revokedUpTo = await this.#revoker.revokedUpTo(username);
    const user: UserRecord = {
      username,
      ...(await credentials()),
      scopes: allowed,
      claims,
      disabled: false,
      credentialVersion: newCredentialVersion(
        Math.max(this.#clock.now() - 1_000, revokedUpTo * 1_000),
      ),
      createdAt: Math.floor(this.#clock.now() / 1_000),
    };
    if (!(await this.#users.add(user)))
      throw new Error(
        `user ${JSON.stringify(username)} exists already: passwd gives a new password`,
      );
    this.#logger.info({ event: "user.added", subject: username }, "user added");
  }

  async #change(username: string, change: VersionChange): Promise<void> {
    if (!(await this.#versions.change(username, change))) throw noSuchUser(username);
  }

  /** Whoever knows a name can ask for tokens, and so for mail to that user. */
  async #mayReset(subject: string): Promise<boolean> {
    const { count } = await this.#rates.add(`reset\0${subject}`, this.#clock.now() / 1_000);
    if (count <= resetsPerMinute) return true;
    this.#logger.info(
      { event: "password.limit", subject },
      "no token to set a password: the user has had too many",
    );
    return false;
  }

  #tokenGiven(subject: string, purpose: "invitation" | "reset"): void {
    this.#logger.info(
      { event: "password.token", subject, purpose },
      "a token to set a password was made",
    );
  }

  #ended(subject: string, reason: string): void {
    this.#logger.info({ event: "sessions.ended", subject, reason }, "all sessions of a user ended");
  }

  async #update(username: string, change: Partial<Omit<UserRecord, "username">>): Promise<void> {
    if (!(await this.#users.update(username, change))) throw noSuchUser(username);
  }
}

function noSuchUser(username: string): Error {
  return new Error(`there is no user ${JSON.stringify(username)}`);
}
