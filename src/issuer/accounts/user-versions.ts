import type { Clock } from "../../runtime/clock.js";
import type { ExpectedCredentials, UserRecord, UserRecords } from "../../store/store.js";
import type { Revoker } from "../revoker.js";
import { earliestSecondOf, lastSecondUnder, newCredentialVersion } from "./credential-version.js";

const maxAheadSeconds = 3; // of a version's tokens; the leeway for `iat` is 5 s

/** Attempts of one compare-and-set against concurrent changes. */
export const maxTries = 100;

/** A change of a user's record that comes with a new credential version. */
export interface VersionChange {
  readonly change: Partial<Omit<UserRecord, "username">>;
  /** The version after `before`. */
  readonly next: (before: string, now: number) => string;
  /** Why older tokens are refused, for those who listen. */
  readonly reason: string;
  /**
   * Milliseconds in which live sessions may come with a newer token.
   * @default 0
   */
  readonly margin?: number;
  /**
   * Returns what the record must have, or `undefined` to leave it as it is. Asked again after a
   * concurrent change.
   * @default nothing but its version
   */
  readonly expected?: (user: UserRecord) => ExpectedCredentials | undefined;
}

/** Changes users together with their credential versions. */
export class UserVersions {
  readonly #users: UserRecords;
  readonly #revoker: Revoker;
  readonly #clock: Clock;

  constructor(users: UserRecords, revoker: Revoker, clock: Clock) {
    this.#users = users;
    this.#revoker = revoker;
    this.#clock = clock;
  }

  /**
   * Two writes: after the first, no session of the old version gets a token any more; so all tokens
   * to be revoked have an `iat` up to now, and the second write gives the version whose tokens are
   * younger than that. Whoever changes the version in between revokes the same tokens. Resolves to
   * `false` if there is no such user, or `expected` has left the record as it is.
   */
  async change(username: string, given: VersionChange): Promise<boolean> {
    const begun = await this.#begin(username, given);
    if (begun === undefined) return false;
    const { before, version } = begun;
    const now = this.#clock.now();
    const credentialVersion = given.next(before, now);
    await this.#users.update(username, { credentialVersion }, { credentialVersion: version });
    await this.#revoker.subject(username, lastSecondUnder(before, now), given.reason, given.margin);
    return true;
  }

  async #begin(
    username: string,
    { change, next, expected = () => ({}) }: VersionChange,
  ): Promise<{ readonly before: string; readonly version: string } | undefined> {
    for (let tries = 0; tries < maxTries; tries++) {
      const user = await this.#users.get(username);
      if (user === undefined) return undefined;
      const before = user.credentialVersion;
      await this.#whenNotAhead(before);
      const more = expected(user);
      if (more === undefined) return undefined;
      const version = next(before, this.#clock.now());
      const changed = { ...change, credentialVersion: version };
      if (await this.#users.update(username, changed, { ...more, credentialVersion: before }))
        return { before, version };
    }
    throw changesTooOften(username);
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
}

export function changesTooOften(username: string): Error {
  return new Error(`${maxTries} concurrent changes of user ${JSON.stringify(username)}: try again`);
}

/** A version with which all sessions of the one before end. */
export function freshVersion(before: string, now: number): string {
  return newCredentialVersion(now, before);
}
