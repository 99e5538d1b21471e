/** What the application's code is given of a call. */
import type { SchemaInput } from "../../protocol/standard-schema.js";
import type { Logger } from "../../runtime/logger.js";
import type { ErrorFactories } from "./declared-error.js";
import type { NotificationSchemas, ServerActions } from "./server-actions.js";

/** An object without members, in types. */
export type NoMembers = Readonly<Record<never, never>>;

/** The connection of a call, for its handler. */
export interface ConnectionHandle<Notifications extends NotificationSchemas = NotificationSchemas> {
  /** The connection's id, as `server.kick` and `server.notify` take it. */
  readonly id: string;
  /** The peer's address, seen through trusted proxies. */
  readonly remoteAddress: string;
  /**
   * Sends a declared notification to this connection. In EXPIRED the server holds the notification
   * and sends it after a refresh; in OPEN, and after the connection has closed, the server drops
   * it. Throws `TypeError` if the name is not declared or the params fail their schema.
   */
  notify<Name extends keyof Notifications & string>(
    name: Name,
    params: SchemaInput<Notifications[Name]>,
  ): void;
  /**
   * Closes the connection with 4403 `kicked`. The client does not reconnect until its application
   * asks for it.
   */
  kick(): void;
  /**
   * Asks the `authorize` rules of this connection's subscriptions again. Their events wait
   * meanwhile. Resolves when all have answered.
   */
  reauthorize(): Promise<void>;
}

/**
 * The argument of a handler. Destructure only the members that you need: `signal` and `log` are
 * created on first access.
 */
export interface HandlerContext<
  Params,
  AuthType,
  Errors,
  Notifications extends NotificationSchemas,
  Context = NoMembers,
> {
  /** The params: the output of their schema. */
  readonly params: Params;
  /**
   * The caller at the time of the call, also after a logout. Null only in a public method, on a
   * connection without a session.
   */
  readonly auth: AuthType;
  /**
   * Aborts at the deadline, on `$/cancelRequest`, at a logout, and when the connection closes. Node
   * ends the process if a listener of a signal throws, so catch errors in listeners.
   */
  readonly signal: AbortSignal;
  /** The connection of the call. */
  readonly connection: ConnectionHandle<Notifications>;
  /** What `createRpc({ context })` made, and what each middleware has added. */
  readonly context: Context;
  /** The declared errors: `throw error.NAME(data)`. */
  readonly error: ErrorFactories<Errors>;
  /** As `server.publish`: sends an event to all subscribers of a topic. */
  readonly publish: ServerActions<Notifications>["publish"];
  /** As `server.notify`: sends a declared notification to a connection, a subject or everybody. */
  readonly notify: ServerActions<Notifications>["notify"];
  /** As `server.reauthorize`: asks the rules of subscriptions again, after a change of rights. */
  readonly reauthorize: ServerActions<Notifications>["reauthorize"];
  /** As `server.revoke`: revokes tokens, and ends the sessions that use them. */
  readonly revoke: ServerActions<Notifications>["revoke"];
  /** The server's logger, with the connection and the method in every line. */
  readonly log: Logger;
  /**
   * Throws if the session that admitted the call has expired, was revoked or has ended by a logout,
   * even if another user has logged in on the connection since. Call this function in long handlers
   * before a privileged step.
   */
  assertLive(): void;
}
