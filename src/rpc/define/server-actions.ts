/** What an application does to others than the caller: methods of the server, at hand in handlers. */
import type { SchemaInput, StandardSchema } from "../../protocol/standard-schema.js";
import type { PublishRest, Subscription, Topic } from "./declared-subscription.js";

/** Notification name → schema of its params. */
export type NotificationSchemas = Readonly<Record<string, StandardSchema>>;

/**
 * Who is notified: a connection, all connections of a subject (of any issuer, unless one is named),
 * or everybody who is authenticated.
 */
export type NotifyTarget =
  | { readonly connection: string }
  | { readonly subject: string; readonly issuer?: string }
  | "all";

/**
 * Selects subscriptions, by one or several of these together. `params` narrow `topic` to one topic,
 * as in a subscriber's call; `issuer` narrows `subject` to one issuer's.
 */
export interface SubscriptionSelector<Params = unknown> {
  /** Those of this user. */
  readonly subject?: string;
  /** Those of the users of this issuer. */
  readonly issuer?: string;
  /** Those of this connection. */
  readonly connection?: string;
  /** Those of this topic or subscription of the application, such as `app.routes.board`. */
  readonly topic?: Topic<Params, unknown, unknown> | Subscription<Params, unknown>;
  /** The params of one topic. */
  readonly params?: NoInfer<Params>;
}

/** Result of `server.reauthorize`. */
export interface ReauthorizeResult {
  /** Number of subscriptions whose `authorize` was asked. */
  readonly asked: number;
  /** Number of them that have ended, because the answer was no. */
  readonly ended: number;
  /**
   * `false` if a node did not answer within a second. It asks all rules again as soon as it reaches
   * the other nodes.
   */
  readonly complete: boolean;
}

/** Result of `server.unsubscribe`. */
export interface UnsubscribeResult {
  /** Number of subscriptions that have ended. */
  readonly ended: number;
  /** `false` if a node did not answer within a second and may not have received the request. */
  readonly complete: boolean;
}

/**
 * What `server.revoke` revokes: one token, one session (`sid`), or a subject. With `issuedBefore`
 * (a `Date`, or milliseconds since 1970), only the tokens issued up to that time.
 */
export type RevocationSelector = { readonly issuer?: string } & (
  | { readonly jti: string }
  | { readonly sessionId: string }
  | { readonly subject: string; readonly issuedBefore?: Date | number }
);

/** Options of `server.revoke`. */
export interface RevokeOptions {
  /**
   * Time that live sessions have to obtain another token, in milliseconds.
   * @default 0 ms
   */
  readonly margin?: number;
  /** For people and logs. With a `margin`, clients receive it in `auth.refreshRequired`. */
  readonly reason?: string;
}

/**
 * The server's methods that concern others than the caller, for handlers. The call's session does
 * not limit them: the handler decides.
 */
export interface ServerActions<Notifications extends NotificationSchemas = NotificationSchemas> {
  /**
   * Sends an event to all subscribers of a topic, on every node. `params` select the topic, as in a
   * subscriber's call. Rejects with `TypeError` if the params or the event fail their schema, with
   * `RangeError` if the event exceeds `limits.responseBytes`, and with the store's error if the
   * other nodes cannot be reached; in each case no subscriber receives the event. A topic with a
   * log of the application's own needs the `offset` that the event has there.
   */
  publish<Params, Event, Published, Logged extends boolean>(
    topic: Topic<Params, Event, Published, unknown, Logged>,
    params: NoInfer<Params>,
    event: NoInfer<Published>,
    ...options: PublishRest<Logged>
  ): Promise<void>;
  /**
   * Sends a declared notification to a connection, a subject or all sessions, on every node.
   * Expired sessions receive the notification after a refresh. Rejects with `TypeError` if the
   * notification is not declared or its params fail their schema.
   */
  notify<Name extends keyof Notifications & string>(
    target: NotifyTarget,
    name: Name,
    params: SchemaInput<Notifications[Name]>,
  ): Promise<void>;
  /**
   * Asks the `authorize` rules of subscriptions again, on every node: after a change of rights that
   * no token tells of. From the moment the promise has resolved, no subscriber receives an event on
   * an old right: a node holds the events of a subscription while its rule is out, and ends it
   * (`forbidden`) unless the answer is `true`. Rejects with `TypeError` if the selector makes no
   * sense.
   * @example await server.reauthorize({ subject: "ada" });
   * @example await server.reauthorize({ topic: app.routes.board, params: { board: "b1" } });
   */
  reauthorize<Params = unknown>(
    selector: SubscriptionSelector<Params> | "all",
  ): Promise<ReauthorizeResult>;
  /**
   * Revokes tokens and closes the connections that use them (4401). With a margin, these
   * connections first receive `auth.refreshRequired`. Resolves once the revocation is durable.
   * Throws `TypeError` if the selector names nothing.
   */
  revoke(selector: RevocationSelector, options?: RevokeOptions): Promise<void>;
}
