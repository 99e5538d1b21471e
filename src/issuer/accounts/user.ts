import type { UserRecord } from "../../store/store.js";

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
  /** Whether the user was invited, and has not set a password yet. */
  readonly invited: boolean;
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

/** What `issuer.users.invite` takes besides the name. */
export interface Invitation extends NewUser {
  /**
   * Milliseconds that the token is good. From 60_000 ms to 30 days.
   * @default 7 days
   */
  readonly expiresIn?: number;
}

/** What `issuer.users.resetPassword` takes besides the name. */
export interface PasswordReset {
  /**
   * Milliseconds that the token is good. From 60_000 ms to 30 days.
   * @default 3_600_000 ms (1 h)
   */
  readonly expiresIn?: number;
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

/** What a record shows to the application. */
export function shownUser({
  username,
  scopes,
  claims,
  disabled,
  passwordHash,
  createdAt,
}: UserRecord): User {
  const invited = passwordHash === "";
  return { username, scopes, claims, disabled, invited, createdAt: createdAt * 1_000 };
}
