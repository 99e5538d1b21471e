import type { Clock } from "../../runtime/clock.js";
import type { UserRecord, UserRecords } from "../../store/store.js";
import { type PasswordHasher, passwordProblem } from "../password-hasher.js";
import type { Revoker } from "../revoker.js";

import { lastSecondUnder, newCredentialVersion } from "./credential-version.js";
import { checkedScopes } from "./scope-rules.js";

/** A user, without what only the issuer may see. */
export interface User {
  /** The name, which is the `sub` of the tokens. */
  readonly username: string;
  /** The scopes that the user may have. */
  readonly scopes: readonly string[];
  /** Claims that stand in the user's tokens besides the registered ones. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Whether logins are refused. */
  readonly disabled: boolean;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** What `issuer.users.add` takes besides name and password. */
export interface NewUser {
  /**
   * The scopes that the user may have.
   * @default none
   */
  readonly scopes?: readonly string[];
  /**
   * More claims for the user's access tokens.
   * @default none
   */
  readonly claims?: Readonly<Record<string, unknown>>;
}

const longestName = 255; // characters: what a `sub` may have
const longestClaims = 4_096; // characters of JSON: a token has to fit in 8_192

/**
 * The people who may log in. Every change takes effect at the next login and refresh; all but `add`
 * and `enable` also end live sessions.
 */
export class UserDirectory {
  readonly #users: UserRecords;
  readonly #hasher: PasswordHasher;
  readonly #revoker: Revoker;
  readonly #clock: Clock;
  /** The hash that was begun last. */
  #hashing: Promise<unknown> = Promise.resolve();

  constructor(users: UserRecords, hasher: PasswordHasher, revoker: Revoker, clock: Clock) {
    this.#users = users;
    this.#hasher = hasher;
    this.#revoker = revoker;
    this.#clock = clock;
  }

  /**
   * Throws an Error that says what is wrong with the name, the password, a scope or a claim, or
   * that the name is taken.
   */
  async add(
    username: string,
    password: string,
    { scopes = [], claims = {} }: NewUser = {},
  ): Promise<void> {
    checkName(username);
    checkPassword(password);
    checkClaims(claims);
    // of somebody who had the name before
    const revokedUpTo = await this.#revoker.revokedUpTo(username);
    const user: UserRecord = {
      username,
      passwordHash: await this.#hash(password),
      scopes: checkedScopes(scopes),
      claims,
      disabled: false,
      credentialVersion: newCredentialVersion(Math.max(this.#clock.now(), revokedUpTo * 1_000)),
      createdAt: Math.floor(this.#clock.now() / 1_000),
    };
    if (!(await this.#users.add(user)))
      throw new Error(
        `user ${JSON.stringify(username)} exists already: passwd gives a new password`,
      );
  }

  /** A new password. Ends all sessions of the user. Throws when there is no such user. */
  async passwd(username: string, newPassword: string): Promise<void> {
    checkPassword(newPassword);
    await this.#endSessions(
      username,
      { passwordHash: await this.#hash(newPassword) },
      "password changed",
    );
  }

  /**
   * No login and no refresh any more. Ends all sessions of the user. Throws when there is no such
   * user.
   */
  disable(username: string): Promise<void> {
    return this.#endSessions(username, { disabled: true }, "user disabled");
  }

  /** Takes `disable` back; ended sessions stay ended. Throws when there is no such user. */
  async enable(username: string): Promise<void> {
    await this.#update(username, { disabled: false });
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
  }

  /** Sorted by name. */
  async list(): Promise<readonly User[]> {
    return (await this.#users.list()).map(({ username, scopes, claims, disabled, createdAt }) => ({
      ...{ username, scopes, claims, disabled },
      createdAt: createdAt * 1_000,
    }));
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

  /**
   * Two writes: after the first, no session of the old version gets a token any more; so all tokens
   * to be revoked have an `iat` up to now, and the second write gives the version whose tokens are
   * younger than that.
   */
  async #endSessions(
    username: string,
    change: Partial<Omit<UserRecord, "username">>,
    reason: string,
  ): Promise<void> {
    const before = (await this.#users.get(username))?.credentialVersion;
    await this.#update(username, {
      ...change,
      credentialVersion: newCredentialVersion(this.#clock.now(), before),
    });
    const now = this.#clock.now();
    await this.#update(username, { credentialVersion: newCredentialVersion(now, before) });
    await this.#revoker.subject(username, lastSecondUnder(before, now), reason);
  }

  async #update(username: string, change: Partial<Omit<UserRecord, "username">>): Promise<void> {
    if (!(await this.#users.update(username, change))) throw noSuchUser(username);
  }
}

function noSuchUser(username: string): Error {
  return new Error(`there is no user ${JSON.stringify(username)}`);
}

function checkName(username: string): void {
  const isName =
    username !== "" &&
    username.length <= longestName &&
    username.trim() === username &&
    !/\p{Cc}/u.test(username);
  if (!isName)
    throw new Error(
      `a user name has 1 to ${longestName} characters, no control characters, and no space at its ends`,
    );
  if (username.startsWith("client:"))
    throw new Error("a user name can't begin with client: since the subjects of OAuth clients do");
}

function checkPassword(password: string): void {
  const problem = passwordProblem(password);
  if (problem !== undefined) throw new Error(problem);
}

function checkClaims(claims: Readonly<Record<string, unknown>>): void {
  for (const name of Object.keys(claims)) {
    if (reservedClaims.has(name))
      throw new Error(
        `the claim ${name} is set by the issuer: choose another name (for scopes: the option scopes)`,
      );
  }
  if (JSON.stringify(claims).length > longestClaims)
    throw new Error(`claims may have at most ${longestClaims} characters as JSON`);
}

/**
 * Claims that the issuer sets itself, or that would give a token another meaning: users can't have
 * claims of these names.
 */
export const reservedClaims: ReadonlySet<string> = new Set([
  ...["iss", "aud", "sub", "exp", "iat", "nbf", "jti", "client_id", "sid", "scope", "auth_time"],
  ...[
    "cnf",
    "act",
    "nonce",
    "at_hash",
    "c_hash",
    "events",
    "token_use",
    "scp",
    "permissions",
    "__proto__",
  ],
]);
