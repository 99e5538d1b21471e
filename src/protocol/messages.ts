import type { CloseReason, Reconnect } from "./close-codes.js";
import type { ConnectionLimits } from "./connection-limits.js";
import type { ErrorObject } from "./error-codes.js";

/**
 * The messages of JSON-RPC 2.0, and those that jotwire defines on top of it. Times are in seconds.
 */

/** `null` is an id; a request without an `id` member is a notification (JSON-RPC 2.0 §4, §4.1). */
export type Id = string | number | null;

export type Params = readonly unknown[] | Readonly<Record<string, unknown>>;

export interface Request {
  readonly jsonrpc: "2.0";
  readonly method: string;
  readonly params?: Params;
  /** Absent in a notification. */
  readonly id?: Id;
}

export type Response =
  | { readonly jsonrpc: "2.0"; readonly id: Id; readonly result: unknown }
  | { readonly jsonrpc: "2.0"; readonly id: Id; readonly error: ErrorObject };

export interface Notification {
  readonly jsonrpc: "2.0";
  readonly method: string;
  readonly params?: Params;
}

/** The subprotocol of version 1 of the wire. */
export const subprotocol = "jotwire.v1";

/** The methods that change who speaks on a connection. They never run inside a batch. */
export const authMethods = ["authenticate", "refresh", "logout"] as const;
export type AuthMethod = (typeof authMethods)[number];

export type SessionStateName = "open" | "active" | "expired" | "closed";

/** Result of `authenticate`. */
export interface AuthenticateResult {
  readonly subject: string;
  readonly scopes: readonly string[];
  readonly connectionId: string;
  /** Seconds left, by the server's clock: clients schedule from this. */
  readonly expiresIn: number;
  /** The token's `exp`, for people and logs. */
  readonly expiresAt: number;
  /** Advice: seconds after which to refresh, drawn from 70–85 % of `expiresIn`. */
  readonly refreshIn: number;
  /** Seconds between expiry and close. */
  readonly grace: number;
  readonly serverTime: number;
  /** In force for this connection; absent from a server that does not tell. */
  readonly limits?: ConnectionLimits;
}

/** Result of `refresh`, and of `authenticate` on a connection that has a session. */
export interface RefreshResult extends AuthenticateResult {
  /** `false`: the token was already in force, or is older than the one in force. */
  readonly changed: boolean;
  /** `true`: pushes were dropped while the session was expired. */
  readonly gap: boolean;
  /** Only for `refresh({refreshToken})`: the new access token. */
  readonly token?: string;
  /** Only for `refresh({refreshToken})`: the new refresh token. */
  readonly refreshToken?: string;
}

export interface WhoamiResult {
  readonly state: Exclude<SessionStateName, "closed">;
  readonly subject: string | null;
  readonly scopes: readonly string[];
  readonly expiresIn: number | null;
  readonly grace: number;
  readonly serverTime: number;
  readonly connectionId: string;
}

/** Params of the notifications that the server sends about the connection. */
export interface ConnectionNotifications {
  readonly "auth.required": { readonly within: number; readonly hint: string };
  readonly "auth.expiring": { readonly expiresIn: number; readonly hint: string };
  readonly "auth.expired": { readonly closeIn: number; readonly hint: string };
  readonly "auth.refreshRequired": { readonly within: number; readonly reason: string };
  readonly "auth.notice": {
    readonly method: AuthMethod;
    readonly ok: boolean;
    readonly error?: ErrorObject;
  };
  readonly "connection.closing": {
    readonly code: number;
    readonly reason: CloseReason;
    readonly reconnect: Reconnect;
    /** Seconds: come back at a random moment between the two. */
    readonly reconnectAfter: readonly [number, number];
    /** Seconds until the close; absent when it follows at once. */
    readonly closeIn?: number;
    /** What to change, for people. */
    readonly hint?: string;
  };
}

/**
 * A place in the history of a topic: the event with this `offset`, in the history that this `epoch`
 * names.
 */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** Member of a subscription's params object that asks for the events after a {@link Position}. */
export const sinceMember = "$since";

/**
 * Member of a subscription's params object that says whether the answer has a snapshot: `true`
 * makes a fresh one, `false` none.
 */
export const snapshotMember = "$snapshot";

/**
 * Member of every answer to the call of a subscription, and of no method's result: it tells the two
 * apart for a client that cannot know which it has called.
 */
export const subscriptionMark = "$subscription";

/**
 * Result of the call of a subscription. `epoch`, `offset` and `recovered` are there only where the
 * topic keeps history.
 */
export interface SubscribeResult extends Partial<Position> {
  readonly subscription: string;
  /**
   * Only for a call with `$since`. `true`: every missed event follows; `false`: none does, and some
   * may be lost.
   */
  readonly recovered?: boolean;
  /**
   * Only where the topic makes snapshots, and not with `recovered: true`: the state, as it was at
   * `offset` or later. Every event after that place follows.
   */
  readonly snapshot?: unknown;
  /** Absent from a server that does not mark its answers. */
  readonly [subscriptionMark]?: true;
}

export const endReasons = ["completed", "error", "forbidden", "slow", "logout"] as const;
export type EndReason = (typeof endReasons)[number];

/** Params of the notifications about a subscription. */
export interface SubscriptionNotifications {
  readonly "subscription.event": {
    readonly subscription: string;
    /** Only where the topic keeps history: above that of the event before. */
    readonly offset?: number;
    /** `true`: events before this one were dropped. */
    readonly gap?: true;
    /**
     * With `gap`, where the topic keeps history: the epoch that `offset` is of; it may be another
     * than before.
     */
    readonly epoch?: string;
    readonly data: unknown;
  };
  readonly "subscription.ended": {
    readonly subscription: string;
    readonly reason: EndReason;
    readonly code?: number;
  };
}

export function isAuthMethod(name: string): name is AuthMethod {
  return (authMethods as readonly string[]).includes(name);
}

/** The line to type for an auth method. */
export function exampleOf(method: AuthMethod, member: "token" | "refreshToken" = "token"): string {
  return JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method,
    params: { [member]: member === "token" ? "<JWT>" : "<refresh token>" },
  });
}

/** Names that an application can't register, beside everything that starts with `rpc.` or `$/`. */
export const reservedNames: ReadonlySet<string> = new Set([
  ...authMethods,
  "whoami",
  "ping",
  "unsubscribe",
  "subscription.event",
  "subscription.ended",
  "auth.required",
  "auth.expiring",
  "auth.expired",
  "auth.refreshRequired",
  "auth.notice",
  "connection.closing",
]);
