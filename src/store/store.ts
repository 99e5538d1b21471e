import type { RevocationRecords } from "../auth/revocation/revocation.js";
import type { Bus } from "../pubsub/bus.js";
import type { HistoryLog } from "../pubsub/history-log.js";

/**
 * Records that must outlive a process or reach other nodes. Every method is one atomic operation,
 * so that callers never read, decide and write in separate steps. A promise resolves once the
 * change is durable. Any method may reject if the store cannot be reached; callers report such an
 * error as unavailable, never as a refusal. Times are seconds since 1970.
 */
export interface Store extends StoreRecords {
  /**
   * Returns the same records for one operation of several calls, such as a login, which together
   * wait for the store no longer than one call may. Absent in a store whose calls never wait long.
   */
  operation?(): StoreRecords;
  /** Connects the nodes that share this store. Absent in a store for a single node. */
  readonly bus?: Bus;
  /**
   * Keeps the histories of topics across restarts. Absent in a store that has a bus, or whose
   * records end with the process.
   */
  readonly history?: HistoryLog;
  /** Releases files and timers. */
  close(): Promise<void>;
}

export interface StoreRecords {
  readonly users: UserRecords;
  readonly clients: ClientRecords;
  readonly families: FamilyRecords;
  readonly attempts: AttemptCounters;
  readonly rates: RateCounters;
  readonly secrets: SecretRecords;
  readonly revocations: RevocationRecords;
}

export interface UserRecord {
  readonly username: string;
  /** The hash as a PHC string. Empty: the user was invited, and has no password yet. */
  readonly passwordHash: string;
  readonly scopes: readonly string[];
  /** Additional claims for the user's access tokens. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly disabled: boolean;
  /**
   * Changes with the password, and when the user is disabled. Families with another version are
   * invalid.
   */
  readonly credentialVersion: string;
  readonly createdAt: number;
  /** The one token with which the user may set a password. Absent if there is no such token. */
  readonly passwordToken?: PasswordTokenRecord | undefined;
}

/** What is known of a token that sets a password: enough to recognize it. */
export interface PasswordTokenRecord {
  /** SHA-256 of the token, base64url. The token has 32 random bytes, so a fast hash suffices. */
  readonly hash: string;
  readonly purpose: "invitation" | "reset";
  readonly expiresAt: number;
}

/** Compare-and-set: what a record must have for a change. */
export type ExpectedCredentials = Partial<
  Pick<UserRecord, "passwordHash" | "credentialVersion">
> & {
  /** The `hash` of its `passwordToken`. */
  readonly passwordTokenHash?: string;
};

export interface UserRecords {
  /** Adds a user. Resolves to `false` if the name is taken. */
  add(user: UserRecord): Promise<boolean>;
  get(username: string): Promise<UserRecord | undefined>;
  /**
   * Changes members of one record. Resolves to `false` if there is no such user, or the user has
   * not the expected credentials any more.
   */
  update(
    username: string,
    change: Partial<Omit<UserRecord, "username">>,
    expected?: ExpectedCredentials,
  ): Promise<boolean>;
  /** Removes a user. Resolves to `false` if there is no such user. */
  remove(username: string): Promise<boolean>;
  /** Lists all users, sorted by name. */
  list(): Promise<readonly UserRecord[]>;
}

/** An OAuth client that may ask for `client_credentials` (RFC 6749 §4.4). */
export interface ClientRecord {
  readonly clientId: string;
  /**
   * SHA-256 of the secret, base64url. The secret is 32 random bytes, so a fast hash suffices.
   */
  readonly secretHash: string;
  readonly scopes: readonly string[];
  readonly createdAt: number;
}

export interface ClientRecords {
  add(client: ClientRecord): Promise<boolean>;
  get(clientId: string): Promise<ClientRecord | undefined>;
  remove(clientId: string): Promise<boolean>;
  list(): Promise<readonly ClientRecord[]>;
}

/** One login with all its refresh tokens (RFC 9700 §4.14). */
export interface FamilyRecord {
  readonly id: string;
  readonly subject: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly credentialVersion: string;
  /** Number of refresh tokens issued so far, from 1. */
  readonly generation: number;
  /** SHA-256 of the one refresh token that may be used next, base64url. */
  readonly currentHash: string;
  /** SHA-256 of the previous token; empty in generation 1. */
  readonly previousHash: string;
  readonly createdAt: number;
  readonly rotatedAt: number;
  /** End of the family, fixed at login; rotation never changes it. */
  readonly endsAt: number;
  /** Time at which an unused family ends. */
  readonly idleUntil: number;
  readonly revoked: boolean;
  /**
   * Fingerprint of the client that rotated the family last, good only for comparison. Absent if the
   * family was never rotated, or its client is unknown.
   */
  readonly rotatedBy?: string;
}

export interface Rotation {
  readonly familyId: string;
  /** Must match the family's client. A wrong client does not consume the token. */
  readonly clientId: string;
  readonly presentedHash: string;
  /** Generation of the successor, if the presented token is the current one. */
  readonly generation: number;
  /** Hash of the successor. */
  readonly nextHash: string;
  readonly now: number;
  /**
   * Seconds in which the previous token is accepted again (after a lost reply); 0 disables that.
   */
  readonly reuseWindow: number;
  /** Seconds from now until the unused family ends. */
  readonly idleTtl: number;
  /** Fingerprint of the client, stored as the family's `rotatedBy` after a rotation. */
  readonly by?: string;
}

/**
 * `rotated`: the token is consumed, and its successor is current. `repeated`: the reply was lost,
 * and the result is the same successor again. `reused`: the token was stolen, and the family is now
 * revoked. `revoked`: the family was revoked before; the caller must announce the revocation again,
 * since the process that revoked the family may have died before its announcement.
 */
export type RotationOutcome =
  | {
      readonly outcome: "rotated" | "repeated" | "reused" | "revoked";
      readonly family: FamilyRecord;
    }
  | { readonly outcome: "unknown" };

export interface FamilyRecords {
  /**
   * Adds a family. If the subject then has more than `max` families, removes revoked families first
   * and then the least recently used ones.
   */
  add(family: FamilyRecord, max?: number): Promise<void>;
  /**
   * Returns a family. With `now`, removes a family that has ended by then and returns `undefined`.
   */
  get(id: string, now?: number): Promise<FamilyRecord | undefined>;
  /**
   * Consumes a token and makes its successor current, in one step. Of any number of simultaneous
   * uses of one token, exactly one is `rotated`. Removes a family that has ended.
   */
  rotate(rotation: Rotation): Promise<RotationOutcome>;
  /**
   * Revokes a family. Resolves to `false` if there is no such family, or the family is revoked
   * already.
   */
  revoke(id: string): Promise<boolean>;
  /** Revokes all families of a subject. Returns their number. */
  revokeSubject(subject: string): Promise<number>;
  /** Removes families that ended before `now`. Returns their number. */
  sweep(now: number): Promise<number>;
}

export interface AttemptCounters {
  /** Returns the failures since the last success, and the time of the last failure. */
  get(key: string): Promise<{ readonly failures: number; readonly lastAt: number }>;
  /** Counts a failure. Returns the new number of failures. */
  fail(key: string, now: number): Promise<number>;
  clear(key: string): Promise<void>;
  /** Removes counters whose last failure was before `before`. Returns their number. */
  sweep(before: number): Promise<number>;
}

/** Window of the {@link RateCounters}: seconds from a counter's first count to its end. */
export const rateWindow = 60;

export interface RateCount {
  /** Events counted in the window that began with the first event. */
  readonly count: number;
  /** Seconds until the window ends; 0 if nothing is counted. */
  readonly endsIn: number;
}

/**
 * Fixed-window counters of one minute, by key. They need not be durable. Unlike all other records
 * they never reject: while the store cannot be reached, they count in this process. A store with a
 * clock of its own may ignore `now`.
 */
export interface RateCounters {
  /** Counts one event. Returns the new count. */
  add(key: string, now: number): Promise<RateCount>;
  /** Takes one event back, unless its window has ended. */
  giveBack(key: string, now: number): Promise<void>;
  get(key: string, now: number): Promise<RateCount>;
}

/** Secrets such as signing keys, by name. Values must not be logged or sent to clients. */
export interface SecretRecords {
  get(name: string): Promise<string | undefined>;
  /**
   * Compare-and-set: writes `value` only if the current value is `expected` (`undefined`: if there
   * is no value). Resolves to `false` if another writer was first; read the value again.
   */
  replace(name: string, value: string, expected: string | undefined): Promise<boolean>;
}
