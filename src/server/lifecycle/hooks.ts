import type { SubscriptionEnding } from "../../pubsub/subscription.js";
import type { Auth } from "../../rpc/define/access.js";
import type { ConnectionHandle } from "../../rpc/define/handler-context.js";
import type { NotificationSchemas, ServerActions } from "../../rpc/define/server-actions.js";
import { Deadlines, type Timers } from "../../rpc/dispatch/deadlines.js";
import { childOf, type Logger } from "../../runtime/logger.js";
import type { Connection } from "../connection/connection.js";
import type { SubscriptionObserver } from "../connection/connection-subscriptions.js";
import type { SubscriptionRight } from "../connection/subscription-right.js";
import { type HookDeadline, HookQueue, type HookQueueServices } from "./hook-queue.js";

/** The last argument of a hook: what an application may do in it. */
export interface HookContext<Notifications extends NotificationSchemas = NotificationSchemas>
  extends ServerActions<Notifications> {
  /** The server's logger, with the connection and the hook in every line. */
  readonly log: Logger;
}

/** A subscription, for the hook `subscribed`. */
export interface HookedSubscription {
  /** Its id, as in `subscription.event`; the key of a topic. */
  readonly subscription: string;
  /** The name of the topic or subscription on the wire, such as `board.events`. */
  readonly name: string;
  /** The params of the call: the output of their schema. */
  readonly params: unknown;
  /** The subscriber, by the last token of the session. */
  readonly auth: Auth;
}

/** A subscription that is over, for the hook `unsubscribed`. */
export interface EndedSubscription extends HookedSubscription {
  /**
   * Why: the reason of `subscription.ended`, `unsubscribe` if the client asked for it (also by
   * subscribing anew with another `$since`), or `closed` with its connection.
   */
  readonly reason: SubscriptionEnding;
}

/**
 * What an application may want to hear of. Each hook may be asynchronous. The hooks of one
 * connection run one after the other, in the order of their events; nothing else waits for a hook,
 * or reads what it returns. A hook that throws, rejects or does not settle within 10 s is logged as
 * `hook.fail`, and changes nothing.
 */
export interface HookOptions<Notifications extends NotificationSchemas = NotificationSchemas> {
  /** A socket was accepted; nobody has authenticated yet. */
  readonly connected?: (
    connection: ConnectionHandle<Notifications>,
    context: HookContext<Notifications>,
  ) => unknown;
  /**
   * Somebody has authenticated. Not called for refreshes. The handle is good until that user logs
   * out.
   */
  readonly authenticated?: (
    connection: ConnectionHandle<Notifications>,
    auth: Auth,
    context: HookContext<Notifications>,
  ) => unknown;
  /** The session goes on with another token. The handle is good until that user logs out. */
  readonly refreshed?: (
    connection: ConnectionHandle<Notifications>,
    auth: Auth,
    context: HookContext<Notifications>,
  ) => unknown;
  /**
   * A subscription begins: its answer was sent. Called once for a topic to which a connection
   * subscribes several times. The handle is good until that user logs out.
   */
  readonly subscribed?: (
    connection: ConnectionHandle<Notifications>,
    subscription: HookedSubscription,
    context: HookContext<Notifications>,
  ) => unknown;
  /** A subscription of which `subscribed` was called is over. */
  readonly unsubscribed?: (
    connection: ConnectionHandle<Notifications>,
    subscription: EndedSubscription,
    context: HookContext<Notifications>,
  ) => unknown;
  /**
   * The socket is closed, with this code. The last hook of a connection: `unsubscribed` was called
   * before for each of its subscriptions.
   */
  readonly closed?: (
    connection: ConnectionHandle<Notifications>,
    code: number,
    context: HookContext<Notifications>,
  ) => unknown;
}

/**
 * Its handles are made when they are asked for: an idle connection that no hook looks at has none.
 */
type HookedConnection = Pick<Connection, "id" | "handle" | "lastingHandle" | "auth">;

export interface HookServices {
  /** Of the server's own lines. */
  readonly log: Logger;
  /** Of the application's lines. */
  readonly applicationLog: Logger;
  readonly timers: Timers;
  /** What hooks may do to others; not there yet when the hooks are made. */
  readonly actions: () => ServerActions;
}

const maxWaiting = 256; // hooks of one connection, beyond which it may not subscribe

export class Hooks implements SubscriptionObserver {
  readonly #options: HookOptions;
  readonly #services: HookServices;
  readonly #deadlines: Deadlines<HookDeadline>;
  readonly #queueServices: HookQueueServices;
  /** By the connection's id; only those in which a hook runs or waits. */
  readonly #queues = new Map<string, HookQueue>();

  constructor(options: HookOptions, services: HookServices) {
    this.#options = options;
    this.#services = services;
    this.#deadlines = new Deadlines(services.timers, (deadline) => deadline.expired());
    this.#queueServices = {
      deadlines: this.#deadlines,
      failed: (hook, error) =>
        services.log.error({ event: "hook.fail", err: error, hook }, "a hook failed"),
    };
  }

  connected(connection: HookedConnection): void {
    const { connected } = this.#options;
    if (connected === undefined) return;
    const { lastingHandle } = connection;
    this.#run(connection.id, "connected", (context) => connected(lastingHandle, context));
  }

  authenticated(connection: HookedConnection): void {
    const { authenticated } = this.#options;
    const { auth } = connection;
    if (authenticated === undefined || auth === null) return;
    const { handle } = connection;
    this.#run(connection.id, "authenticated", (context) => authenticated(handle, auth, context));
  }

  refreshed(connection: HookedConnection): void {
    const { refreshed } = this.#options;
    const { auth } = connection;
    if (refreshed === undefined || auth === null) return;
    const { handle } = connection;
    this.#run(connection.id, "refreshed", (context) => refreshed(handle, auth, context));
  }

  subscribed(connection: string, subscription: string, right: SubscriptionRight): void {
    const { subscribed } = this.#options;
    if (subscribed === undefined) return;
    const told = toldOf(subscription, right);
    this.#run(connection, "subscribed", (context) => subscribed(right.handle, told, context));
  }

  unsubscribed(
    connection: string,
    subscription: string,
    right: SubscriptionRight,
    reason: SubscriptionEnding,
  ): void {
    const { unsubscribed } = this.#options;
    if (unsubscribed === undefined) return;
    const told = { ...toldOf(subscription, right), reason };
    this.#run(connection, "unsubscribed", (context) => unsubscribed(right.handle, told, context));
  }

  closed(connection: HookedConnection, code: number): void {
    const { closed } = this.#options;
    if (closed === undefined) return;
    const { lastingHandle } = connection;
    this.#run(connection.id, "closed", (context) => closed(lastingHandle, code, context));
  }

  /** Whether too many hooks of a connection wait, so that it may not subscribe. */
  isBehind(connection: string): boolean {
    return (this.#queues.get(connection)?.size ?? 0) >= maxWaiting;
  }

  /** Stops all timers. */
  close(): void {
    this.#deadlines.clear();
  }

  #run(connection: string, hook: string, call: (context: HookContext) => unknown): void {
    let queue = this.#queues.get(connection);
    if (queue === undefined) {
      queue = new HookQueue(this.#queueServices, () => this.#queues.delete(connection));
      this.#queues.set(connection, queue);
    }
    queue.add(hook, () => call(new HookArgument(this.#services, connection, hook)));
  }
}

/** Creates the logger on demand, since most hooks do not use it. */
class HookArgument implements HookContext {
  readonly publish: ServerActions["publish"];
  readonly notify: ServerActions["notify"];
  readonly reauthorize: ServerActions["reauthorize"];
  readonly revoke: ServerActions["revoke"];
  readonly #log: Logger;
  readonly #fields: object;

  constructor({ actions, applicationLog }: HookServices, connection: string, hook: string) {
    const { publish, notify, reauthorize, revoke } = actions();
    this.publish = publish;
    this.notify = notify;
    this.reauthorize = reauthorize;
    this.revoke = revoke;
    this.#log = applicationLog;
    this.#fields = { connection, hook };
  }

  get log(): Logger {
    return childOf(this.#log, this.#fields);
  }
}

function toldOf(subscription: string, { entry, params, identity }: SubscriptionRight) {
  return { subscription, name: entry.name, params, auth: identity };
}
