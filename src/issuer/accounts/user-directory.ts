import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { UserRecord, UserRecords } from "../../store/store.js";
import { longestAccessToken } from "../issuer-options.js";
import { type PasswordHasher, passwordProblem } from "../password-hasher.js";
import type { Revoker } from "../revoker.js";

import {
  earliestSecondOf,
  lastSecondUnder,
  laterVersion,
  newCredentialVersion,
} from "./credential-version.js";
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

/** What `issuer.users.update` changes; what is absent stays. */
export interface UserChange {
  /** The scopes that the user may have from now on. */
  readonly scopes?: readonly string[];
  /** The claims for the user's access tokens from now on. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** How `issuer.users.update` reaches live sessions. */
export interface UpdateOptions {
  /**
   * Milliseconds in which live sessions may come with a new token. 0: they end at once. At most
   * 600_000 ms.
   * @default 30_000 ms
   */
  readonly margin?: number;
}

/** What the directory works with. */
export interface UserDirectoryParts {
  readonly users: UserRecords;
  readonly hasher: PasswordHasher;
  readonly revoker: Revoker;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info">;
}

const longestMargin = 600_000; // 10 min: longer than an access token lives by default
const maxAheadSeconds = 3; // of a version's tokens; the leeway for `iat` is 5 s
const endedAtOnce = 8; // users
const longestName = 255; // characters: what a `sub` may have
const longestClaims = 4_096; // characters of JSON: a token has to fit in 8_192

/**
 * The people who may log in. Every change takes effect at the next login and refresh. `update` also
 * reaches live sessions, and all others but `add` and `enable` end them.
 */
export class UserDirectory {
  readonly #users: UserRecords;
  readonly #hasher: PasswordHasher;
  readonly #revoker: Revoker;
  readonly #clock: Clock;
  readonly #logger: Pick<Logger, "info">;
  /** The hash that was begun last. */
  #hashing: Promise<unknown> = Promise.resolve();

  /** Only the issuer makes one. */
  constructor({ users, hasher, revoker, clock, logger }: UserDirectoryParts) {
    this.#logger = logger;
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
    await this.#newVersion(username, change, laterVersion, "claims_changed", margin);
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
        // who was removed meanwhile has no sessions
        if ((await this.#users.get(name)) !== undefined)
          await this.#newVersion(name, {}, freshVersion, reason);
    };
    await Promise.all(Array.from({ length: endedAtOnce }, endNext));
    this.#logger.info({ event: "sessions.ended", users, reason }, "all sessions ended");
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
    await this.#newVersion(username, change, freshVersion, reason);
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

  /**
   * Two writes: after the first, no session of the old version gets a token any more; so all tokens
   * to be revoked have an `iat` up to now, and the second write gives the version whose tokens are
   * younger than that. Whoever changes the version in between revokes the same tokens.
   */
  async #newVersion(
    username: string,
    change: Partial<Omit<UserRecord, "username">>,
    next: (before: string, now: number) => string,
    reason: string,
    margin = 0,
  ): Promise<void> {
    const { before, version } = await this.#beginVersion(username, change, next);
    const now = this.#clock.now();
    const credentialVersion = next(before, now);
    await this.#users.update(username, { credentialVersion }, { credentialVersion: version });
    await this.#revoker.subject(username, lastSecondUnder(before, now), reason, margin);
  }

  async #beginVersion(
    username: string,
    change: Partial<Omit<UserRecord, "username">>,
    next: (before: string, now: number) => string,
  ): Promise<{ readonly before: string; readonly version: string }> {
    for (;;) {
      const before = (await this.#users.get(username))?.credentialVersion;
      if (before === undefined) throw noSuchUser(username);
      await this.#whenNotAhead(before);
      const version = next(before, this.#clock.now());
      const changed = { ...change, credentialVersion: version };
      if (await this.#users.update(username, changed, { credentialVersion: before }))
        return { before, version };
    }
  }

  /**
   * Each version's tokens are a second later than those of the version before: of many versions in
   * one second the last ones would be refused, as issued in the future.
   */
  async #whenNotAhead(version: string): Promise<void> {
    const ahead = earliestSecondOf(version) * 1_000 - this.#clock.now();
    const wait = ahead - (maxAheadSeconds - 1) * 1_000;
    if (wait > 0) await new Promise<void>((resolve) => this.#clock.after(wait, resolve));
  }

  #ended(subject: string, reason: string): void {
    this.#logger.info({ event: "sessions.ended", subject, reason }, "all sessions of a user ended");
  }

  async #update(username: string, change: Partial<Omit<UserRecord, "username">>): Promise<void> {
    if (!(await this.#users.update(username, change))) throw noSuchUser(username);
  }
}

function freshVersion(before: string, now: number): string {
  return newCredentialVersion(now, before);
}

function shownUser({ username, scopes, claims, disabled, createdAt }: UserRecord): User {
  return { username, scopes, claims, disabled, createdAt: createdAt * 1_000 };
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
