import type { VerifiedToken } from "../auth/provider-options.js";
import { Session, type SessionEnd, type SessionObserver } from "../auth/session/session.js";
import { type ErrorObject, errorOf, standardError } from "../protocol/error-codes.js";
import { type Item, Outbox, type Sink } from "../pubsub/outbox.js";
import type { Auth } from "../rpc/define/access.js";
import type { ConnectionHandle } from "../rpc/define/handler-context.js";
import type { NotifyTarget, ServerActions } from "../rpc/define/server-actions.js";
import type { Caller, PendingSubscription, SubscribeCall } from "../rpc/dispatch/call.js";
import { PendingCalls } from "../rpc/dispatch/pending-calls.js";
import type { Logger } from "../runtime/logger.js";
import type { ConnectionServices } from "../server/connection/connection.js";
import { createHandle } from "../server/connection/connection-handle.js";
import { ConnectionSession } from "../server/connection/connection-session.js";
import {
  ConnectionSubscriptions,
  type SubscriptionsHost,
} from "../server/connection/connection-subscriptions.js";
import { encodeDeclared } from "../server/connection/declared-notification.js";
import { subscribe } from "../server/connection/subscribe.js";

const id = "test-connection";

/** What the code under test does to others. */
export interface EffectObserver {
  notified(target: NotifyTarget, name: string, params: unknown): void;
  /** Takes the text of a notification that the connection is sent. */
  received(text: string): void;
  /** The connection is over: `kicked`, `token_expired` … */
  ended(reason: string): void;
}

/**
 * A connection without a socket: the real session, subscriptions and calls of a server, for one
 * caller. Only frames, their limits and their write buffers are left out.
 */
export class CallerConnection implements Caller, SessionObserver, Sink, SubscriptionsHost {
  readonly id = id;
  readonly remoteAddress = "127.0.0.1";
  readonly pending = new PendingCalls();
  readonly isLeaving = false;
  readonly subscriptions: ConnectionSubscriptions;
  readonly handle: ConnectionHandle;
  readonly actions: ServerActions;
  readonly log: Logger;
  readonly applicationLog: Logger;
  readonly #services: ConnectionServices;
  readonly #observer: EffectObserver;
  readonly #session: Session;
  #callSession: ConnectionSession;
  #isOver = false;

  constructor(
    services: ConnectionServices,
    actions: ServerActions,
    log: Logger,
    observer: EffectObserver,
  ) {
    this.#services = services;
    this.#observer = observer;
    this.actions = actions;
    this.log = log;
    this.applicationLog = log;
    const { telemetry, rights, hooks, clock, revocations, limits } = services;
    const outbox = new Outbox(this, services.flushQueue);
    this.subscriptions = new ConnectionSubscriptions(this, outbox, telemetry, rights, hooks);
    this.#session = new Session(
      { ...limits, authDeadline: Number.POSITIVE_INFINITY },
      { clock, revocations, connectionId: id, random: () => 0.5 },
      this,
    );
    this.#callSession = new ConnectionSession(this, null);
    this.handle = createHandle(this, () => !this.#isOver);
  }

  signIn(token: VerifiedToken): void {
    this.#session.authenticate(token);
  }

  // The interface for the dispatcher.

  get session(): ConnectionSession {
    return this.#callSession;
  }

  get auth(): Auth | null {
    return this.#session.live();
  }

  refusal(): ErrorObject | null {
    return this.#session.refusal();
  }

  loginAge(): number | undefined {
    return this.#session.loginAge();
  }

  whoami(): unknown {
    return this.#session.whoami();
  }

  countElement(): null {
    return null;
  }

  mayGoOn(): boolean {
    return true;
  }

  spend(): void {}

  subscribe(call: SubscribeCall): PendingSubscription | Promise<PendingSubscription> {
    return subscribe(call, this.subscriptions, this.#services);
  }

  unsubscribe(subscription: string): boolean {
    return this.subscriptions.unsubscribe(subscription);
  }

  // The interface for subscriptions, and for the handle.

  get state(): SubscriptionsHost["state"] {
    return this.#isOver ? "closed" : this.#session.state;
  }

  isHigh(): boolean {
    return false;
  }

  notify(name: string, params: unknown): void {
    encodeDeclared(this.#services.notifications, name, params); // throws for what nobody declared
    this.#observer.notified({ connection: id }, name, params);
  }

  close(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#session.close();
    this.subscriptions.close();
    this.pending.abortAll(errorOf("cancelled"));
    this.#observer.ended(reason);
  }

  // The interface for the session.

  required(): void {}
  expiring(): void {}
  refreshRequired(): void {}

  expired(): void {
    this.subscriptions.hold();
  }

  ended(reason: SessionEnd): void {
    this.close(reason);
  }

  identified(token: VerifiedToken | null): void {
    this.#callSession.end();
    this.#callSession = new ConnectionSession(this, token);
  }

  refreshExample(): string {
    return "make another caller";
  }

  // The interface for the outbox.

  review(): void {
    this.#session.check();
  }

  write(items: readonly Item[]): void {
    for (const item of items) this.#observer.received(typeof item === "string" ? item : item.text);
  }

  overflowed(): void {}

  /** Answers the call with this id now, as the caller no longer waits. */
  cancel(call: number): void {
    this.pending.cancel(call, standardError("internal"));
  }
}
