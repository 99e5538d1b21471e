/**
 * ```
 *          ready(), a call       token, socket open        authenticate ok
 *   idle ───────────────► connecting ───────► authenticating ───────► ready ◄──────┐
 *                             ▲  │                  │  ▲               │  │ expired │ refresh ok
 *                 retryIn over│  │ failed           │  │ session lost  │  ▼         │
 *                             │  │                  │  └───────────────┼─ refreshing┘
 *                             │  ▼                  │ failed           │  │
 *                           waiting ◄───────────────┴──────────────────┴──┘ lost
 *   closed: from any state, by close(), sign-out, or a refusal that another attempt would repeat; left by reconnect() only
 * ```
 * From `ready` and `refreshing` back to `authenticating` when the server answers a refresh that it
 * knows no session on this connection. A session is renewed in time without leaving `ready`. In
 * `refreshing` it has expired, and calls wait. A client without `token` goes from `connecting` to
 * `ready`.
 */
export type ClientState =
  | "idle"
  | "connecting"
  | "authenticating"
  | "ready"
  | "refreshing"
  | "waiting"
  | "closed";

/** A change of the client's state: the event `state`. */
export interface StateChange {
  /** The state before. */
  readonly from: ClientState;
  /** The state now. */
  readonly to: ClientState;
  /** The close code that led here, if one did. */
  readonly code: number | undefined;
  /** Why, for programs: the close reason, or what the client itself found. */
  readonly reason: string | undefined;
  /** How many attempts in a row have failed. */
  readonly attempt: number;
  /** Milliseconds until the next attempt, in `waiting`. */
  readonly retryIn: number | undefined;
  /**
   * The error behind the reason, where one is known, as in `DisconnectedError.cause`: an
   * `UpgradeRefusedError`, an `RpcError`, or what the application or the platform has thrown.
   */
  readonly cause: unknown;
}
