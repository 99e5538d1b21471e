import type { RevocationRecords } from "../auth/revocation/revocation.js";
import type { Bus } from "../pubsub/bus.js";

/**
 * What must outlive a process or reach other nodes. Every method is one atomic operation: whoever
 * calls never reads, decides and writes in steps of its own. A promise resolves only when the
 * change is durable. Any method may reject when the store can't be reached; callers tell that as
 * unavailable, never as a refusal. Times are seconds since 1970.
 */
export interface Store extends StoreRecords {
  /**
   * For one operation of several calls, such as a login: the same records, whose calls together
   * wait for the store no longer than one call may. Absent: no call waits for long.
   */
  operation?(): StoreRecords;
  /** Joins the nodes that share this store. Absent: the store is one node's. */
  readonly bus?: Bus;
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
  /** PHC string. */
  readonly passwordHash: string;
  readonly scopes: readonly string[];
  /** More claims for the user's access tokens. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly disabled: boolean;
  /**
   * Changes with the password, and when the user is disabled: families of another version are dead.
   */
  readonly credentialVersion: string;
  readonly createdAt: number;
}

export interface UserRecords {
  /** False when the name is taken. */
  add(user: UserRecord): Promise<boolean>;
  get(username: string): Promise<UserRecord | undefined>;
  /**
   * Changes some members of one record. False when there is no such user. With `ifHash`, only while
   * the password hash is still that one.
   */
  update(
    username: string,
    change: Partial<Omit<UserRecord, "username">>,
    ifHash?: string,
  ): Promise<boolean>;
  /** False when there was none. */
  remove(username: string): Promise<boolean>;
  /** Sorted by name. */
  list(): Promise<readonly UserRecord[]>;
}

/** An OAuth client that may ask for `client_credentials` (RFC 6749 §4.4). */
export interface ClientRecord {
  readonly clientId: string;
  /**
   * SHA-256 of the secret, base64url: the secret is 32 random bytes, so that it needs no slow hash.
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

/** One login and all refresh tokens that came of it (RFC 9700 §4.14). */
export interface FamilyRecord {
  readonly id: string;
  readonly subject: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly credentialVersion: string;
  /** How many tokens were issued, from 1. */
  readonly generation: number;
  /** SHA-256 of the one refresh token that may be used next, base64url. */
  readonly currentHash: string;
  /** SHA-256 of the token before; empty in generation 1. */
  readonly previousHash: string;
  readonly createdAt: number;
  readonly rotatedAt: number;
  /** Fixed at login: rotation never moves it. */
  readonly endsAt: number;
  /** When it dies unless it is used. */
  readonly idleUntil: number;
  readonly revoked: boolean;
  /**
   * From where it was rotated last; says nothing but whether two are the same. Absent: not rotated,
   * or not known.
   */
  readonly rotatedBy?: string;
}

export interface Rotation {
  readonly familyId: string;
  /** Must match the family's. A wrong client consumes nothing. */
  readonly clientId: string;
  readonly presentedHash: string;
  /** Hash of the successor, if the presented token is the current one: generation + 1. */
  readonly generation: number;
  readonly nextHash: string;
  readonly now: number;
  /** Seconds in which the token before the current one may come again (a lost reply); 0 = never. */
  readonly reuseWindow: number;
  /** Seconds of idle life from now. */
  readonly idleTtl: number;
  /** From where; kept as the family's `rotatedBy` if it is rotated. */
  readonly by?: string;
}

/**
 * `rotated`: consumed, and the successor is in force. `repeated`: the reply was lost, the same
 * successor again. `reused`: stolen; the family is now revoked. `revoked`: it was before, which
 * must be announced again, since whoever revoked it may have died before that.
 */
export type RotationOutcome =
  | {
      readonly outcome: "rotated" | "repeated" | "reused" | "revoked";
      readonly family: FamilyRecord;
    }
  | { readonly outcome: "unknown" };

export interface FamilyRecords {
  /**
   * With `most`: where the subject has more families then, those that were not used for the longest
   * time are forgotten, the revoked first.
   */
  add(family: FamilyRecord, most?: number): Promise<void>;
  /** With `now`: one that has ended by then is forgotten, and not there. */
  get(id: string, now?: number): Promise<FamilyRecord | undefined>;
  /**
   * Consume and issue in one step. Of any number of simultaneous uses of one token, exactly one is
   * `rotated`. One that has ended is forgotten.
   */
  rotate(rotation: Rotation): Promise<RotationOutcome>;
  /** False when there was no such family, or it was revoked already. */
  revoke(id: string): Promise<boolean>;
  /** Revokes all families that a subject has by now. Returns how many it has revoked. */
  revokeSubject(subject: string): Promise<number>;
  /** Forgets families that ended before `now`. Returns how many. */
  sweep(now: number): Promise<number>;
}

export interface AttemptCounters {
  /** Failures since the last success, and when the last one was. */
  get(key: string): Promise<{ readonly failures: number; readonly lastAt: number }>;
  /** Counts one more failure. Returns the new number. */
  fail(key: string, now: number): Promise<number>;
  clear(key: string): Promise<void>;
  /** Forgets counters whose last failure was before `before`. */
  sweep(before: number): Promise<number>;
}

/** Seconds that a counter of {@link RateCounters} lives, from its first count. */
export const rateWindow = 60;

export interface RateCount {
  /** In the minute that began with the first. */
  readonly count: number;
  /** Seconds until that minute is over; 0 when nothing is counted. */
  readonly endsIn: number;
}

/**
 * How often something happened in a minute, by key. They need not be durable, and unlike all else
 * they don't reject: while the store can't be reached, they count in this process. `now` is not
 * needed by a store that has a clock of its own.
 */
export interface RateCounters {
  /** Counts one more. Returns what is counted then. */
  add(key: string, now: number): Promise<RateCount>;
  /** Takes one back, unless its minute is over. */
  giveBack(key: string, now: number): Promise<void>;
  get(key: string, now: number): Promise<RateCount>;
}

/** Signing keys and the like, by name. Their values never leave the process that uses them. */
export interface SecretRecords {
  get(name: string): Promise<string | undefined>;
  /**
   * Writes only if the value is still `expected` (undefined: only if there is none). False:
   * somebody else was first; read again.
   */
  replace(name: string, value: string, expected: string | undefined): Promise<boolean>;
}
