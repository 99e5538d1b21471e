import type {
  ConnectionNotifications,
  SubscriptionNotifications,
} from "../src/protocol/messages.js";
import { createInvoke } from "./calls/api-call.js";
import { createApi } from "./calls/api-proxy.js";
import { CallManager, type Extension, type Start } from "./calls/call-manager.js";
import type {
  AnyName,
  CallArguments,
  CallArgumentsNamed,
  CallName,
  CallResultNamed,
  ClientApi,
  NotificationsOf,
  NotifyArguments,
  SubscribeName,
  SubscriptionEvent,
  SubscriptionParams,
  Untyped,
} from "./client-api.js";
import type { ClientState, StateChange } from "./connection/client-state.js";
import { Connection } from "./connection/connection.js";
import { createListeners } from "./listeners.js";
import { type ClientOptions, settingsFrom } from "./options.js";
import type { Session } from "./session/session.js";
import type { SubscribeOptions, Subscription, WithGaps } from "./subscriptions/subscription.js";
import { Subscriptions } from "./subscriptions/subscriptions.js";

/** The client's own events, which `client.on` listens to. */
export interface ClientEvents {
  /** The client has another state. */
  readonly state: StateChange;
  /**
   * The server's clock and this machine's differ by more than 30 s. `skew` is the server's time
   * less this machine's, in milliseconds.
   */
  readonly clockSkew: { readonly skew: number };
  /**
   * Events of a subscription were lost: read the current state again. A subscription with the
   * option `gaps` has `gap` among its events instead.
   */
  readonly gap: { readonly name: string; readonly params: unknown };
}

type ServerNotifications = ConnectionNotifications & SubscriptionNotifications;

const ownEvents = /^(state|clockSkew|gap)$/;

/**
 * The events that `on` listens to: the client's own, the notifications about the connection and its
 * subscriptions, and the application's; any name where the application's type isn't known.
 */
export type EventName<App> =
  | keyof ClientEvents
  | keyof ServerNotifications
  | (unknown extends NotificationsOf<App> ? AnyName : keyof NotificationsOf<App> & string);

/** The argument of a handler for the event of this name. */
export type EventOf<App, Name> = Name extends keyof ClientEvents
  ? ClientEvents[Name]
  : Name extends keyof ServerNotifications
    ? ServerNotifications[Name]
    : Name extends keyof NotificationsOf<App>
      ? NotificationsOf<App>[Name]
      : unknown;

/** A client of one server, over one connection at a time. `createClient` makes it. */
export interface Client<App = Untyped> extends AsyncDisposable {
  /**
   * The application's methods and subscriptions as functions. A method's gives a promise. A
   * subscription's gives the events, and keeps them from the call on, whenever they are iterated.
   */
  readonly api: ClientApi<App>;
  /** Whether calls can be sent, and if not, why; `on("state", …)` tells each change. */
  readonly state: ClientState;
  /** The session of the connection; `null` while nobody is signed in. */
  readonly session: Session | null;
  /**
   * Calls a method by its wire name.
   *
   * @throws {CallError} rejects with it, if the call failed
   * @throws {TypeError} rejects with it, if the params can't be written as JSON, or an option
   * doesn't exist or is out of its range
   */
  call<Name extends CallName<App>>(
    name: Name,
    ...args: CallArgumentsNamed<App, Name>
  ): CallResultNamed<App, Name>;
  /**
   * Subscribes by wire name, and keeps the events from the call on:
   * `for await (const event of client.subscribe("orders.watch", { id }))`.
   *
   * @throws {TypeError} if the params can't be written as JSON, or an option doesn't exist or is
   * out of its range
   */
  subscribe<Name extends SubscribeName<App>>(
    name: Name,
    ...args: CallArguments<SubscriptionParams<App, Name>, SubscribeOptions<false>>
  ): Subscription<SubscriptionEvent<App, Name>>;
  /** Subscribes with `gap` among the events, where some were lost. */
  subscribe<Name extends SubscribeName<App>>(
    name: Name,
    params: SubscriptionParams<App, Name>,
    options: SubscribeOptions,
  ): Subscription<WithGaps<SubscriptionEvent<App, Name>, true>>;
  /**
   * Sends a notification, which has no answer. Returns `false` if nothing was sent: there is no
   * connection, for which a notification doesn't wait, or the server takes no frame so large.
   */
  notify<Name extends CallName<App>>(
    name: Name,
    ...args: NotifyArguments<CallArgumentsNamed<App, Name>>
  ): boolean;
  /**
   * Sends the calls that `build` makes through its `api` in one frame, or in several if the server
   * takes fewer at once. Resolves with their results, in the order of the array that `build`
   * returns. Wrap a call in `safe` to get its own outcome in its place. If `build` throws, nothing
   * is sent.
   *
   * @throws {CallError} rejects with the first error of a call
   */
  batch<const Calls extends readonly unknown[]>(
    build: (api: ClientApi<App>) => Calls,
  ): Promise<{ -readonly [K in keyof Calls]: Awaited<Calls[K]> }>;
  /** Calls `handler` at each event of this name. Returns a function that stops it. */
  on<Name extends EventName<App>>(
    name: Name,
    handler: (event: EventOf<App, Name>) => void,
  ): () => void;
  /**
   * Resolves when calls can be sent; connects, if the client hasn't yet.
   *
   * @throws {DisconnectedError} rejects with it, if the client is closed or becomes so
   */
  ready(): Promise<void>;
  /**
   * Asks `token()` for another token now, and resolves when the server has accepted it. If that
   * fails, a live session goes on.
   *
   * @throws {Error} rejects with the reason, if this try failed
   * @throws {TypeError} rejects with it, if the client has no `token()`
   */
  refresh(): Promise<void>;
  /**
   * Call it where the world may have changed unseen and the client can't learn of it: an app comes
   * to the foreground, a network is back. A client that waits tries at once, unless the server has
   * said when to come back. A connected one checks the times of its session, renews it if that is
   * due, and pings the server: without an answer within 5 s it connects anew. In browsers the
   * client does so by itself. Does nothing before the first use and after the end.
   *
   * @example
   * ```ts
   * AppState.addEventListener("change", (state) => state === "active" && client.resume());
   * ```
   */
  resume(): void;
  /**
   * Connects anew at once, also after the client was closed. Resolves as `ready` does.
   *
   * @throws {DisconnectedError} rejects with it, if the client is closed meanwhile
   */
  reconnect(): Promise<void>;
  /**
   * Closes the connection with 1000. Pending calls reject with a `DisconnectedError`, and
   * subscriptions end. Resolves when the socket is closed, or after 2 s.
   */
  close(): Promise<void>;
}

/**
 * Makes a client of one server. The client connects by itself, renews its session in time, and
 * reconnects after a loss. Outside of pages and their workers, such as on a server that renders
 * pages, the client connects at its first use: see the option `connect`.
 *
 * @param extend for the entry `jotwire/client` alone: what it has and the ready-made module leaves
 * out
 * @throws {TypeError} if an option doesn't exist or is out of its range
 * @example
 * ```ts
 * const client = createClient<App>({
 *   url: "wss://api.example.com/rpc",
 *   token: async ({ signal }) => (await fetch("/token", { method: "POST", signal })).text(),
 * });
 * const order = await client.api.orders.create({ sku: "A1" });
 * for await (const change of client.api.orders.watch({ id: order.id })) console.log(change);
 * ```
 */
export function createClient<App = Untyped>(
  options: ClientOptions<App>,
  extend?: Extension,
): Client<App> {
  const settings = settingsFrom(options);
  const listeners = createListeners(settings.onError);

  const connection = new Connection(settings, {
    ready() {
      subscriptions.ready();
      caller.pump();
    },
    lost: (isOver, ...why) => subscriptions.lost(isOver, caller.lost(isOver, ...why)),
    gap: () => subscriptions.gap(),
    received: () => caller.pump(),
    answer: (message) => caller.answer(message),
    notification(name, params) {
      if (name === "subscription.event") subscriptions.event(params);
      if (name === "subscription.ended") subscriptions.ended(params);
      // a server can't speak for the client
      if (!ownEvents.test(name)) listeners.emit(name, params);
    },
    emit: listeners.emit,
  });
  const caller = new CallManager(settings, connection, extend);
  const subscriptions = new Subscriptions(settings, connection, caller, (name, params) =>
    listeners.emit("gap", { name, params }),
  );
  const close = () => {
    subscriptions.lost(true); // whoever closes the client knows why its loops end
    return connection.close();
  };
  const apiOver = (start: Start) => createApi(createInvoke(start, subscriptions.open));

  if (settings.connect === "now") {
    queueMicrotask(() => {
      if (connection.state() === "idle") connection.ensureConnecting();
    });
  }

  const client = {
    api: apiOver(caller.call),
    get state() {
      return connection.state();
    },
    get session() {
      return connection.renewal.signedIn();
    },
    call: caller.call,
    subscribe: subscriptions.open,
    notify: caller.notify,
    batch: async (build: (api: unknown) => readonly unknown[]) =>
      Promise.all(caller.batch((start) => build(apiOver(start)))),
    on: listeners.on,
    ready: connection.ready,
    refresh: connection.refresh,
    resume: () => connection.resume(true),
    reconnect: connection.reconnect,
    close,
    [Symbol.asyncDispose]: close,
  };
  return client as unknown as Client<App>;
}
