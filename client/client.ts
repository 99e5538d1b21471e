import type {
  ConnectionNotifications,
  SubscriptionNotifications,
} from "../src/protocol/messages.js";
import { createInvoke } from "./calls/api-call.js";
import { createApi } from "./calls/api-proxy.js";
import { type CallManager, createCallManager, type Start } from "./calls/call-manager.js";
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
import { createConnection } from "./connection/connection.js";
import { createListeners } from "./listeners.js";
import { type ClientOptions, settingsFrom } from "./options.js";
import type { Session } from "./session/session.js";
import type { SubscribeOptions, Subscription, WithGaps } from "./subscriptions/subscription.js";
import { createSubscriptions, type Subscriptions } from "./subscriptions/subscriptions.js";

/** What the client itself tells. */
export interface ClientEvents {
  readonly state: StateChange;
  /**
   * The server's clock and this machine's differ by more than 30 s. `skew`: the server's less ours,
   * in milliseconds.
   */
  readonly clockSkew: { readonly skew: number };
  /**
   * Events of a subscription were lost; not told for one with the option `gaps`, where `gap` stands
   * among the events.
   */
  readonly gap: { readonly name: string; readonly params: unknown };
}

type ServerNotifications = ConnectionNotifications & SubscriptionNotifications;

const ownEvents = /^(state|clockSkew|gap)$/;

/**
 * What `on` can listen to: the client's own events, the notifications about the connection and its
 * subscriptions, and the application's; any name where the application's type isn't known.
 */
export type EventName<App> =
  | keyof ClientEvents
  | keyof ServerNotifications
  | (unknown extends NotificationsOf<App> ? AnyName : keyof NotificationsOf<App> & string);

export type EventOf<App, Name> = Name extends keyof ClientEvents
  ? ClientEvents[Name]
  : Name extends keyof ServerNotifications
    ? ServerNotifications[Name]
    : Name extends keyof NotificationsOf<App>
      ? NotificationsOf<App>[Name]
      : unknown;

export interface Client<App = Untyped> extends AsyncDisposable {
  /**
   * The application's methods and subscriptions as functions. A method's gives a promise. A
   * subscription's gives the events, and keeps them from the call on, whenever they are iterated.
   */
  readonly api: ClientApi<App>;
  readonly state: ClientState;
  /** Who is signed in on the connection; `null` while nobody is. */
  readonly session: Session | null;
  /**
   * Calls a method by its wire name. Rejects with a `CallError`; with what `JSON.stringify` throws,
   * for params that aren't JSON.
   */
  call<Name extends CallName<App>>(
    name: Name,
    ...args: CallArgumentsNamed<App, Name>
  ): CallResultNamed<App, Name>;
  /**
   * Subscribes by wire name, at once:
   * `for await (const event of client.subscribe("orders.watch", { id }))`.
   */
  subscribe<Name extends SubscribeName<App>>(
    name: Name,
    ...args: CallArguments<SubscriptionParams<App, Name>, SubscribeOptions<false>>
  ): Subscription<SubscriptionEvent<App, Name>>;
  subscribe<Name extends SubscribeName<App>>(
    name: Name,
    params: SubscriptionParams<App, Name>,
    options: SubscribeOptions,
  ): Subscription<WithGaps<SubscriptionEvent<App, Name>, true>>;
  /**
   * Sends a notification. `false`: nothing was sent, since there is no connection (it doesn't wait
   * for one), or the server takes no frame so large.
   */
  notify<Name extends CallName<App>>(
    name: Name,
    ...args: NotifyArguments<CallArgumentsNamed<App, Name>>
  ): boolean;
  /**
   * Sends the calls that `build` makes through its `api` in one frame, or in several where that is
   * more than the server takes at once, and gives their results in the order of the array that it
   * returns. Rejects with the first error; wrap a call in `safe` to have its own outcome in its
   * place. Where `build` throws, nothing is sent.
   */
  batch<const Calls extends readonly unknown[]>(
    build: (api: ClientApi<App>) => Calls,
  ): Promise<{ -readonly [K in keyof Calls]: Awaited<Calls[K]> }>;
  /** Listens; the returned function stops it. */
  on<Name extends EventName<App>>(
    name: Name,
    handler: (event: EventOf<App, Name>) => void,
  ): () => void;
  /**
   * Resolves when calls can be sent. Rejects with a `DisconnectedError` when the client is closed.
   */
  ready(): Promise<void>;
  /**
   * Asks `token()` for another token now. Resolves when the server took it; rejects when this try
   * failed, which ends no live session.
   */
  refresh(): Promise<void>;
  /** Connects anew at once, also after the client was closed. Resolves as `ready` does. */
  reconnect(): Promise<void>;
  /**
   * Closes with 1000; calls that aren't settled reject with a `DisconnectedError`, subscriptions
   * end. Resolves when the socket is closed, or after 2 s.
   */
  close(): Promise<void>;
}

/**
 * Makes a client of one server. It connects by itself, renews its session in time, and comes back
 * after a loss.
 */
export function createClient<App = Untyped>(options: ClientOptions): Client<App> {
  const settings = settingsFrom(options);
  const listeners = createListeners(settings.onError);

  const connection = createConnection(settings, {
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
  const caller: CallManager = createCallManager(settings, connection);
  const subscriptions: Subscriptions = createSubscriptions(
    settings,
    connection,
    caller,
    (name, params) => listeners.emit("gap", { name, params }),
  );
  const close = () => {
    subscriptions.lost(true); // whoever closes the client knows why its loops end
    return connection.close();
  };
  const apiOver = (start: Start) => createApi(createInvoke(start, subscriptions.open));

  if (options.connect !== "lazy") {
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
      return connection.signedIn();
    },
    call: caller.call,
    subscribe: subscriptions.open,
    notify: caller.notify,
    batch: async (build: (api: unknown) => readonly unknown[]) =>
      Promise.all(caller.batch((start) => build(apiOver(start)))),
    on: listeners.on,
    ready: connection.ready,
    refresh: connection.refresh,
    reconnect: connection.reconnect,
    close,
    [Symbol.asyncDispose]: close,
  };
  return client as unknown as Client<App>;
}
