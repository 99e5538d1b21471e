import type { ConnectionLimits } from "../../src/protocol/connection-limits.js";
import type { AuthenticateResult, RefreshResult } from "../../src/protocol/messages.js";

/** Who speaks on the connection. */
export interface Session {
  readonly subject: string;
  readonly scopes: readonly string[];
  readonly connectionId: string;
  /** The token's `exp`, in seconds since 1970 by the server's clock; for people and logs. */
  readonly expiresAt: number;
}

/** What the server has told of them; 0: no limit. */
export type ClientLimits = Partial<ConnectionLimits>;

/** What an auth method's result says, in milliseconds. */
export interface Grant {
  readonly signedIn: Session;
  readonly expiresIn: number;
  readonly refreshIn: number;
  /** The server's clock less ours; `NaN`, where it isn't told. */
  readonly skew: number;
  /** Pushes were lost while the session was expired. */
  readonly gap: boolean;
  readonly limits: ClientLimits;
}

const leastWait = 500; // 0.5 s: however short-lived a token is
// 5 s: `token()` gave the same token again, though another was asked for
const leastWaitUnchanged = 5_000;

/** Reads the result of `authenticate` or `refresh`; `undefined` when it is none. */
export function grantFrom(result: unknown, now: number): Grant | undefined {
  const {
    subject,
    scopes = [],
    connectionId = "",
    expiresAt = 0,
    expiresIn,
    refreshIn,
    serverTime = Number.NaN, // no skew is known
    changed,
    gap,
    limits,
  } = Object(result) as Partial<AuthenticateResult & RefreshResult>;
  if (typeof subject !== "string" || typeof expiresIn !== "number" || typeof refreshIn !== "number")
    return undefined;
  return {
    signedIn: { subject, scopes, connectionId, expiresAt },
    expiresIn: expiresIn * 1_000,
    refreshIn: Math.max(refreshIn * 1_000, changed === false ? leastWaitUnchanged : leastWait),
    gap: gap === true,
    limits: Object(limits),
    skew: serverTime * 1_000 - now,
  };
}
