import type { VerifiedToken } from "../auth/provider-options.js";
import type { Connection } from "./connection/connection.js";

/** Who keeps the list of connections. */
export interface ConnectionObserver {
  /** Called whenever the identity changes; null: back in OPEN. */
  identified(connection: Connection, token: VerifiedToken | null, before: VerifiedToken | null): void;
  /** With a token that never was good. */
  authenticateFailed(connection: Connection): void;
  closed(connection: Connection, code: number, identity: VerifiedToken | null): void;
}
