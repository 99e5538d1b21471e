import type { Duplex } from "node:stream";
import type { VerifiedToken } from "../../auth/provider-options.js";
import type { RevocationList } from "../../auth/revocation/revocation-list.js";
import { Session, type SessionEnd, type SessionObserver } from "../../auth/session/session.js";
import { type CloseReason, closeTable } from "../../protocol/close-codes.js";
import { type ErrorObject, errorOf } from "../../protocol/error-codes.js";
import {
  type ConnectionNotifications,
  exampleOf,
  type Request,
  type SessionStateName,
} from "../../protocol/messages.js";
import type { StandardSchema } from "../../protocol/standard-schema.js";
import { type FlushQueue, type Item, Outbox, type Sink } from "../../pubsub/outbox.js";
import { Push } from "../../pubsub/push.js";
import type { TopicServices } from "../../pubsub/topics.js";
import type { Auth } from "../../rpc/define/access.js";
import type { ConnectionHandle } from "../../rpc/define/handler-context.js";
import type { ServerActions } from "../../rpc/define/server-actions.js";
import type { PendingSubscription, SubscribeCall } from "../../rpc/dispatch/call.js";
import type { Dispatcher } from "../../rpc/dispatch/dispatcher.js";
import { PendingCalls } from "../../rpc/dispatch/pending-calls.js";
import { encodeNotification } from "../../rpc/json/encode.js";
import { childOf, type Logger } from "../../runtime/logger.js";
import { type Limits, limitsOfConnection } from "../limits.js";
import { type AuthOutcome, type AuthParts, AuthQueue } from "./auth-queue.js";
import { type CloseDetails, type Closing, closingParams } from "./closing.js";
import { createHandle } from "./connection-handle.js";
import { ConnectionSession } from "./connection-session.js";
import {
  ConnectionSubscriptions,
  type SubscriptionObserver,
  type SubscriptionsHost,
} from "./connection-subscriptions.js";
import { encodeDeclared } from "./declared-notification.js";
import { type FrameHost, FramePipeline } from "./frame-pipeline.js";
import { BackPressure } from "./frames/back-pressure.js";
import { FrameReader } from "./frames/frame-reader.js";
import { FrameWriter } from "./frames/frame-writer.js";
import type { PeerSocket } from "./frames/peer-socket.js";
import { maxControlsPerSecond, PeerWatch } from "./frames/peer-watch.js";
import type { Snapshots } from "./snapshots.js";
import { subscribe } from "./subscribe.js";
import type { SubscriptionRights } from "./subscription-rights.js";

/**
 * The server's side of one socket. The path of a frame:
 *
 *   socket → pipeline: held under back-pressure → size, rate, decode
 *          → waits behind a blocking auth call → auth queue, or dispatcher
 *          → reply → outbox → one write at the end of the turn
 *
 * A close happens at the end of a turn: first the replies of the turn, then `connection.closing`,
 * then the close frame.
 */

export class Connection implements SessionObserver, FrameHost, Sink, SubscriptionsHost {
  readonly id: string;
  readonly remoteAddress: string;
  readonly pending = new PendingCalls();
  readonly subscriptions: ConnectionSubscriptions;
  readonly log: Logger;
  /** Whether the close was announced. */
  isLeaving = false;
  readonly #socket: PeerSocket;
  readonly #peer = new PeerWatch();
  readonly #writer: FrameWriter;
  readonly #services: ConnectionServices;
  readonly #observer: ConnectionObserver;
  readonly #session: Session;
  readonly #authQueue: AuthQueue;
  readonly #outbox: Outbox;
  readonly #pressure: BackPressure;
  readonly #pipeline: FramePipeline;
  readonly #reader: FrameReader;
  /** Created by the first call of a session, since most connections are idle. */
  #callSession: ConnectionSession | undefined;
  #callHandle: ConnectionHandle | undefined;
  #lastingHandle: ConnectionHandle | undefined;
  #identity: VerifiedToken | null = null;
  #closing: Closing | undefined;
  #isDetached = false;
  /** Whether the last ping was skipped because the send buffer was full. */
  #wasFull = false;

  constructor(
    id: string,
    remoteAddress: string,
    socket: PeerSocket,
    stream: Duplex,
    services: ConnectionServices,
    observer: ConnectionObserver,
  ) {
    this.id = id;
    this.remoteAddress = remoteAddress;
    this.#socket = socket;
    this.#writer = new FrameWriter(socket, stream, services.compression);
    this.#services = services;
    this.#observer = observer;
    this.log = childOf(services.log, { connection: id });
    const { clock, revocations, limits } = services;
    this.#outbox = new Outbox(this, services.flushQueue);
    this.#pressure = new BackPressure(limits, clock, socket, this.#writer, this.#outbox);
    this.subscriptions = new ConnectionSubscriptions(
      this,
      this.#outbox,
      services.telemetry,
      services.rights,
      services.hooks,
    );
    this.#reader = new FrameReader(limits, clock, services.telemetry, () =>
      this.#pipeline.endExcess(),
    );
    this.#session = new Session(
      limits,
      { clock, revocations, connectionId: id, random: Math.random },
      this,
    );
    this.#authQueue = new AuthQueue(this.#session, services, this, this.log);
    this.#pipeline = new FramePipeline(this, {
      session: this.#session,
      authQueue: this.#authQueue,
      reader: this.#reader,
      pressure: this.#pressure,
      writer: this.#writer,
      outbox: this.#outbox,
      subscriptions: this.subscriptions,
      dispatcher: services.dispatcher,
      limits,
    });
    socket.on("message", (data: Buffer, isBinary: boolean) => this.#onMessage(data, isBinary));
    const onControl = (data: Buffer) => this.#onControl(data.length);
    socket.on("ping", onControl);
    socket.on("pong", onControl);
    socket.on("oversized", () => this.#guarded(() => this.#onOversized()));
    socket.on("error", (error) =>
      this.log.debug({ event: "socket.error", err: { message: error.message } }, "socket error"),
    );
    socket.on("close", (code) => this.#onClose(code));
  }

  // The interface for the dispatcher.

  get auth(): Auth | null {
    return this.#session.live();
  }

  get session(): ConnectionSession {
    this.#callSession ??= new ConnectionSession(this, this.#identity);
    return this.#callSession;
  }

  /**
   * For calls. Valid until the next logout, so that a call of one user never pushes to the next.
   */
  get handle(): ConnectionHandle {
    this.#callHandle ??= createHandle(this, (handle) => this.#callHandle === handle);
    return this.#callHandle;
  }

  /** For hooks. Valid as long as the connection. */
  get lastingHandle(): ConnectionHandle {
    this.#lastingHandle ??= createHandle(this, () => true);
    return this.#lastingHandle;
  }

  get actions(): ServerActions {
    return this.#services.actions;
  }

  get applicationLog(): Logger {
    return childOf(this.#services.applicationLog, { connection: this.id });
  }

  refusal(): ErrorObject | null {
    return this.#session.refusal();
  }

  loginAge(): number | undefined {
    return this.#session.loginAge();
  }

  whoami(): ReturnType<Session["whoami"]> {
    return this.#session.whoami();
  }

  countElement(): ErrorObject | null {
    const excess = this.#reader.count(this.#session.isOpen);
    if (excess?.isAbuse) this.close("too_many_requests", { hint: "slow down" });
    return excess?.error ?? null;
  }

  mayGoOn(): boolean {
    if (this.#pressure.isFull || this.#pressure.isUsedUp) return false;
    this.#pressure.spend(1, 0);
    return true;
  }

  spend(bytes: number): void {
    this.#pressure.spend(0, bytes);
  }

  subscribe(call: SubscribeCall): PendingSubscription | Promise<PendingSubscription> {
    return subscribe(call, this.subscriptions, this.#services);
  }

  unsubscribe(subscription: string): boolean {
    return this.subscriptions.unsubscribe(subscription);
  }

  // The interface for subscriptions.

  get state(): SessionStateName {
    return this.#closing !== undefined || this.#isDetached ? "closed" : this.#session.state;
  }

  isHigh(): boolean {
    return this.#pipeline.isHigh();
  }

  // The interface for the server.

  /** Whether the connection has ended, even if the peer has not answered the close yet. */
  get isClosing(): boolean {
    return this.#closing !== undefined || this.#isDetached;
  }

  get load() {
    return {
      calls: this.#reader.counted,
      inFlight: this.pending.size,
      bufferedBytes: this.#writer.waiting + this.#outbox.length,
      subscriptions: this.subscriptions.size,
    };
  }

  /**
   * Sends a declared notification if the session is live, or holds it while the session is expired.
   * Throws `TypeError` if the name is not declared or the params fail their schema.
   */
  notify(name: string, params: unknown): void {
    this.push(new Push(encodeDeclared(this.#services.notifications, name, params)));
  }

  /** Sends, holds or drops a push, by the current state of the session. */
  push(push: Push): void {
    this.subscriptions.send(push);
  }

  /** Checks expiry and revocation, also without a frame. */
  check(): void {
    this.#guarded(() => this.#session.check());
  }

  /** Whether anything was received since the last ping. */
  get isAlive(): boolean {
    return this.#peer.isAlive;
  }

  /**
   * Sends a ping. Returns `false` if the peer has sent nothing since the last ping, or has read
   * nothing since then under back-pressure.
   */
  ping(): boolean {
    if (!this.#peer.isAlive) return false;
    // the socket is paused, so a pong could not be received
    if (this.#pressure.isHolding && this.#pressure.isFull) return this.#isFirstTimeFull();
    this.#peer.isAlive = false;
    if (this.#writer.isOpen) this.#writer.ping();
    return true;
  }

  #isFirstTimeFull(): boolean {
    const wasFull = this.#wasFull;
    this.#wasFull = true;
    return !wasFull;
  }

  /** Closes the connection if a message has been arriving for more than `max` samples in a row. */
  checkArrival(max: number): void {
    const { received } = this.#writer;
    if (received === undefined || this.isClosing) return;
    if (this.#peer.isMessageLate(received, this.#pressure.isHolding, max))
      this.close("frame_timeout", {
        hint: "a message must arrive completely within limits.frameTimeout",
      });
  }

  /** Destroys the socket of a dead peer. */
  terminate(): void {
    this.#socket.terminate();
  }

  /** Announces the close. From now on the connection refuses new calls. */
  announceClose(reason: CloseReason, closeIn: number, after: readonly [number, number]): void {
    if (this.isClosing) return;
    this.isLeaving = true;
    this.#tell("connection.closing", {
      ...closingParams({ reason, reconnectAfter: after }),
      closeIn,
    });
  }

  /** Closes the connection at the end of this turn, after the frames of the turn and the reason. */
  close(reason: CloseReason, details: CloseDetails = {}): void {
    if (this.isClosing) return;
    this.#services.telemetry.closing(reason, details.limit);
    this.#closing = { reason, ...details };
    this.#peer.closing(this.#writer.received ?? 0);
    this.#session.close();
    this.subscriptions.close();
    this.#outbox.wake();
  }

  // The interface for the session.

  required(within: number): void {
    this.#tell("auth.required", { within, hint: exampleOf("authenticate") });
  }

  expiring(expiresIn: number): void {
    this.#tell("auth.expiring", { expiresIn, hint: this.refreshExample() });
  }

  expired(closeIn: number): void {
    this.subscriptions.hold();
    this.#tell("auth.expired", { closeIn, hint: this.refreshExample() });
  }

  refreshRequired(within: number, reason: string): void {
    this.#tell("auth.refreshRequired", { within, reason });
  }

  ended(reason: SessionEnd): void {
    this.log.debug(
      { event: "session.end", reason, subject: this.#identity?.subject },
      "session ended",
    );
    this.close(reason);
  }

  identified(token: VerifiedToken | null): void {
    const before = this.#identity;
    this.#identity = token;
    if (token !== null && before !== null) this.#callSession?.renew(token);
    else this.#changeSession();
    if (token === null) this.#forgetUser();
    else if (before !== null) this.subscriptions.review();
    if (token !== null) this.#pressure.endOfExcess(); // a session has another rate limit
    this.#observer.identified(this, token, before);
  }

  refreshExample(): string {
    const mayRenew = this.#identity !== null && this.#services.authority.mayRenew(this.#identity);
    return exampleOf("refresh", mayRenew ? "refreshToken" : "token");
  }

  // The interface for the auth queue.

  get isThere(): boolean {
    return this.#writer.isOpen;
  }

  authenticateFailed(inARow: number, wasGood: boolean): void {
    if (!wasGood) this.#observer.authenticateFailed(this);
    const { failedAuthCalls } = this.#services.limits;
    if (inARow >= failedAuthCalls)
      this.close("too_many_attempts", { hint: `${inARow} failed authenticate calls in a row` });
  }

  answered(request: Request, outcome: AuthOutcome): void {
    if (request.id !== undefined) this.pending.release(request.id);
    this.#guarded(() => {
      if ("result" in outcome && this.#session.state === "active") {
        const limits = limitsOfConnection(this.#services.limits);
        this.subscriptions.release((gap) =>
          this.#pipeline.answer(request, {
            result: Object.assign(outcome.result as object, { limits }, gap && { gap }),
          }),
        );
      } else {
        this.#pipeline.answer(request, outcome);
      }
      this.#pipeline.proceed();
    });
  }

  // The interface for the pipeline.

  drained(): void {
    this.#peer.isAlive = true; // a drained buffer proves that the peer reads
    this.#wasFull = false;
  }

  /**
   * The last catch: an error in one connection must not end the process or affect other
   * connections.
   */
  failed(error: unknown): void {
    this.log.error({ event: "connection.fail", err: error }, "connection failed");
    if (this.#closing !== undefined) return this.terminate(); // closing has failed as well
    this.close("internal");
  }

  // The interface for the outbox, which writes once per turn.

  review(): void {
    this.#session.check();
  }

  write(items: readonly Item[]): void {
    if (this.#isDetached || !this.#writer.isOpen) return;
    try {
      this.#writeOut(items);
    } catch (error) {
      this.failed(error);
    }
  }

  /** Closes at once, since by the end of the turn the buffer may have doubled. */
  overflowed(): void {
    if (!this.isClosing && !this.#pressure.isOverflowing) return;
    this.#outbox.clear();
    this.close("overloaded", {
      hint: "the peer does not read; read faster or subscribe to less",
      limit: "sendBufferHardBytes",
    });
  }

  #writeOut(items: readonly Item[]): void {
    if (items.length > 0) this.#writer.write(items);
    this.#pressure.written();
    if (this.#pressure.isOverflowing) this.overflowed();
    if (this.#closing !== undefined) this.#finishClosing(this.#closing);
    else this.#pipeline.turnEnded();
  }

  #onControl(length: number): void {
    this.#peer.controlCame(length);
    if (this.isClosing) return this.#cutIfFlooding();
    if (this.#peer.mayControl(this.#services.clock.monotonic())) return;
    this.close("too_many_requests", {
      hint: `send at most ${maxControlsPerSecond} pings and pongs per second`,
    });
    this.#pipeline.hold(); // libuv would deliver up to 2 MiB more of them in this turn
  }

  /** Destroys the socket of a peer that keeps sending after the close. */
  #cutIfFlooding(): void {
    const { received = 0 } = this.#writer;
    if (this.#peer.isFlooding(received, this.#closing?.reason)) this.terminate();
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    this.#peer.messageCame();
    if (this.isClosing) return this.#cutIfFlooding();
    this.#pipeline.receive(data, isBinary);
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.failed(error);
    }
  }

  #tell<Name extends keyof ConnectionNotifications>(
    name: Name,
    params: ConnectionNotifications[Name],
  ): void {
    this.#send(encodeNotification(name, params as unknown as Readonly<Record<string, unknown>>));
  }

  #send(text: string): void {
    if (!this.#isDetached) this.#outbox.add(text);
  }

  #finishClosing(closing: Closing): void {
    const { code } = closeTable[closing.reason];
    this.#socket.send(encodeNotification("connection.closing", closingParams(closing)));
    this.#socket.close(code, closing.reason);
    this.log.debug({ event: "connection.close", code, reason: closing.reason }, "closing");
    this.#detach();
  }

  #changeSession(): void {
    this.#callSession?.end();
    this.#callSession = undefined;
  }

  /** Drops or answers everything of a user, so that no push and no answer reaches the next user. */
  #forgetUser(): void {
    this.subscriptions.logout();
    this.#callHandle = undefined;
    this.pending.abortAll(errorOf("cancelled", { hint: "the user has logged out" }));
    this.#pipeline.payAll();
  }

  /** Closes at once: by the end of the turn ws has sent its own close frame. */
  #onOversized(): void {
    const { frameBytes } = this.#services.limits;
    this.close("too_big", {
      hint: `the frame has more than ${frameBytes * 2} bytes, the limit is ${frameBytes}: limits.frameBytes`,
      limit: "frameBytes",
    });
    this.#outbox.flush();
  }

  #onClose(code: number): void {
    this.#detach();
    this.#observer.closed(this, code, this.#identity);
  }

  /**
   * Releases all resources of the connection, even if the peer has not answered the close yet.
   */
  #detach(): void {
    if (this.#isDetached) return;
    this.#isDetached = true;
    this.#session.close();
    this.#authQueue.close();
    this.subscriptions.close();
    this.#outbox.clear();
    this.#pipeline.close();
    this.pending.abortAll(errorOf("cancelled"));
  }
}

/** Receives the events of a connection, for the connection registry. */
export interface ConnectionObserver {
  /** Called when the identity changes; `token` is null after a logout. */
  identified(
    connection: Connection,
    token: VerifiedToken | null,
    before: VerifiedToken | null,
  ): void;
  /** Called when `authenticate` has failed with a token that was never valid. */
  authenticateFailed(connection: Connection): void;
  closed(connection: Connection, code: number, identity: VerifiedToken | null): void;
}

/** What all connections of a server share. */
export interface ConnectionServices extends AuthParts {
  readonly limits: Limits;
  readonly dispatcher: Dispatcher;
  readonly flushQueue: FlushQueue;
  readonly revocations: RevocationList;
  readonly topics: TopicServices;
  readonly rights: SubscriptionRights;
  readonly snapshots: Snapshots;
  readonly hooks: SubscriptionObserver;
  readonly actions: ServerActions;
  readonly notifications: ReadonlyMap<string, StandardSchema>;
  readonly log: Logger;
  /** Logger for the application's handlers. */
  readonly applicationLog: Logger;
  /** Whether frames are compressed. */
  readonly compression: boolean;
}
