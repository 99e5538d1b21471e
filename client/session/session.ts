import type { ConnectionLimits } from "../../src/protocol/connection-limits.js";

/** The session of a connection: who speaks, and what they may do. */
export interface Session {
  /** The user, or the program: the token's `sub` (RFC 7519 §4.1.2). */
  readonly subject: string;
  /** The scopes of the token (RFC 8693 §4.2). */
  readonly scopes: readonly string[];
  /** The server's name for the connection. */
  readonly connectionId: string;
  /**
   * When the token expires, in milliseconds since 1970 by the server's clock; for people and logs.
   */
  readonly expiresAt: number;
}

/** The limits of the connection that the server has told, as on the wire: 0 is no limit. */
export type ClientLimits = Partial<ConnectionLimits>;
