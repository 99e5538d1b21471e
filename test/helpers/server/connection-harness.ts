import type { Duplex } from "node:stream";
import { setImmediate as endOfTurn } from "node:timers/promises";
import type { WebSocket } from "ws";
import { z } from "zod";
import type { VerifiedToken } from "../../../src/auth/provider-options.js";
import { TokenRefusedError } from "../../../src/auth/refusal.js";
import {
  createRpc,
  defaultLimits,
  type Limits,
  type Logger,
  type Router,
} from "../../../src/index.js";
import { LocalBus } from "../../../src/pubsub/local-bus.js";
import { FlushQueue } from "../../../src/pubsub/outbox.js";
import { Topics } from "../../../src/pubsub/topics.js";
import { createRegistry } from "../../../src/rpc/define/registry.js";
import type { ServerActions } from "../../../src/rpc/define/server-actions.js";
import { Dispatcher } from "../../../src/rpc/dispatch/dispatcher.js";
import { silentLogger } from "../../../src/runtime/logger.js";
import { Revocations } from "../../../src/server/cluster/revocations.js";
import { builtins } from "../../../src/server/connection/builtins.js";
import { Connection } from "../../../src/server/connection/connection.js";
import { Snapshots } from "../../../src/server/connection/snapshots.js";
import { SubscriptionRights } from "../../../src/server/connection/subscription-rights.js";
import { Telemetry } from "../../../src/server/telemetry/telemetry.js";
import type { ManualClock } from "../manual-clock.js";
import type { ModelToken } from "../models/session-reference.js";
import { FakeSocket } from "./fake-socket.js";
import type { Message } from "./raw-client.js";

interface Verification {
  readonly token: ModelToken;
  readonly resolve: (token: VerifiedToken) => void;
  readonly reject: (error: TokenRefusedError) => void;
}

/** What a test serves in the harness's stead. */
interface OwnApplication {
  readonly app?: Router<unknown>;
  readonly log?: Logger;
}

/** A handler was called: its request, by the number in its params, and for whom. */
type Run = readonly [number: number, subject: string];

/**
 * A real connection, session and dispatcher on a socket that is none, on a clock that stands still,
 * with verifications that end on demand.
 */
export class ConnectionHarness {
  readonly clock: ManualClock;
  readonly connection: Connection;
  readonly revocations: Revocations;
  readonly topics = new Topics(rethrow);
  readonly runs: Run[] = [];
  /** The most verifications that ever ran at a time. */
  maxVerifying = 0;
  readonly #socket = new FakeSocket();
  readonly #dispatcher: Dispatcher;
  readonly #tokens = new Map<string, ModelToken>();
  readonly #verifying: Verification[] = [];
  readonly #slow = new Map<number, () => void>();
  #read = 0;

  constructor(clock: ManualClock, given: Partial<Limits> = {}, own: OwnApplication = {}) {
    this.clock = clock;
    const limits = { ...defaultLimits, openFramesPerSecond: Number.POSITIVE_INFINITY, ...given };
    const { app = this.#app(), log = silentLogger } = own;
    const onChange = () => this.connection.check();
    this.revocations = new Revocations({
      clock,
      stores: [],
      issuers: [],
      longestLifetime: undefined,
      onChange,
    });
    this.#dispatcher = new Dispatcher(createRegistry(app), new Map(builtins), limits, {
      timers: clock,
      newErrorId: () => "error",
    });
    const services = {
      clock,
      authority: {
        production: false,
        verify: (text: string) => this.#verify(text),
        mayRenew: () => false,
        mayRevoke: () => false,
        renew: () => Promise.reject(new Error("not offered")),
        revokeRefreshToken: () => Promise.reject(new Error("not offered")),
      },
      authRate: { take: () => true },
      limits,
      dispatcher: this.#dispatcher,
      flushQueue: new FlushQueue(),
      revocations: this.revocations.list,
      topics: { topics: this.topics, bus: new LocalBus("epoch", () => clock.monotonic()) },
      notifications: app.notifications,
      log,
      applicationLog: silentLogger,
      actions: {} as ServerActions,
      rights: new SubscriptionRights(this.clock),
      snapshots: new Snapshots({
        ...{ clock, limits, topics: this.topics, log: silentLogger },
        newErrorId: () => "error",
      }),
      hooks: { subscribed() {}, unsubscribed() {}, isBehind: () => false },
      telemetry: new Telemetry(),
      compression: true, // so that frames pass through the pretended socket
    };
    const stream = {} as unknown as Duplex;
    const observer = { identified() {}, authenticateFailed() {}, closed() {} };
    this.connection = new Connection(
      "c",
      "127.0.0.1",
      this.#socket as unknown as WebSocket,
      stream,
      services,
      observer,
    );
  }

  get isClosed(): boolean {
    return this.#socket.readyState !== this.#socket.OPEN;
  }

  /** The peer leaves so many bytes unread. */
  leaveUnread(bytes: number): void {
    this.#socket.bufferedAmount = bytes;
  }

  /** The peer reads nothing from now on. */
  stopReading(): void {
    this.#socket.isRead = false;
  }

  /** The peer reads what was sent until now. */
  readAll(): void {
    this.#socket.drain();
  }

  /** Bytes that were sent and not read, or are still to be sent. */
  get unread(): number {
    return this.connection.load.bufferedBytes;
  }

  /** Whatever is sent from now on fails. */
  breakSending(): void {
    this.#socket.send = () => {
      throw new Error("broken");
    };
  }

  /** Does the connection leave its bytes unread? */
  get isPaused(): boolean {
    return this.#socket.isPaused;
  }

  /** The number of verifications that have not ended. */
  get verifying(): number {
    return this.#verifying.length;
  }

  issue(token: ModelToken): void {
    this.#tokens.set(token.name, token);
  }

  send(message: object): void {
    this.sendText(JSON.stringify({ jsonrpc: "2.0", ...message }));
  }

  sendText(text: string): void {
    this.#socket.emit("message", Buffer.from(text), false);
  }

  push(number: number): void {
    this.connection.notify("numbered", { number });
  }

  /** Ends the verification that runs. */
  finishVerification(): void {
    const verification = this.#verifying.shift();
    if (verification === undefined) return;
    const { token, resolve, reject } = verification;
    if (token.kind === "forged") reject(new TokenRefusedError("token_invalid", "forged"));
    else if (token.kind === "unjudged")
      reject(new TokenRefusedError("auth_unavailable", "no keys"));
    else resolve(verified(token));
  }

  /**
   * Lets the handler of a slow call end, with a push and then its result; of one that answers with
   * a text, by how many ran before it.
   */
  finishCall(number: number): void {
    this.#slow.get(number)?.();
    this.#slow.delete(number);
  }

  peerCloses(): void {
    this.#socket.close(1000);
    this.#socket.emit("close", 1000);
  }

  /** Waits until everything that can happen without time passing has happened. */
  async settle(): Promise<void> {
    await endOfTurn();
    await endOfTurn();
  }

  /** What was sent since the last call. */
  received(): readonly Message[] {
    const fresh = this.#socket.sent.slice(this.#read);
    this.#read = this.#socket.sent.length;
    return fresh.map((text) => JSON.parse(text) as Message);
  }

  dispose(): void {
    if (!this.isClosed) this.peerCloses();
    this.#dispatcher.close();
  }

  #verify(text: string): Promise<VerifiedToken> {
    this.maxVerifying = Math.max(this.maxVerifying, this.#verifying.length + 1);
    const token = this.#tokens.get(text);
    if (token === undefined) throw new Error("a token that was never issued");
    return new Promise((resolve, reject) => this.#verifying.push({ token, resolve, reject }));
  }

  #app() {
    const rpc = createRpc({
      scopes: ["write"],
      notifications: { numbered: z.object({ number: z.number() }) },
    });
    const params = z.object({ number: z.number() });
    return rpc.router({
      /** A text of so many characters: at once, or when its call is finished. */
      text: rpc.method({
        params,
        handler: ({ auth, params: { number } }) => {
          this.#ran(number, auth.subject);
          return "x".repeat(number);
        },
      }),
      laterText: rpc.method({
        params,
        handler: async ({ auth, params: { number } }) => {
          this.#ran(number, auth.subject);
          await new Promise<void>((resolve) => this.#slow.set(this.runs.length, resolve));
          return "x".repeat(number);
        },
      }),
      /** Takes so many milliseconds, without giving way. */
      age: rpc.method({
        params,
        handler: ({ auth, params: { number } }) => {
          this.#ran(number, auth.subject);
          this.clock.advance(number);
        },
      }),
      now: rpc.method({ public: true, handler: () => 0 }),
      read: rpc.method({
        params,
        handler: ({ auth, params: { number } }) => this.#ran(number, auth.subject),
      }),
      write: rpc.method({
        params,
        scope: "write",
        handler: ({ auth, params: { number } }) => this.#ran(number, auth.subject),
      }),
      announce: rpc.method({
        params,
        handler: ({ auth, params: { number }, connection }) => {
          this.#ran(number, auth.subject);
          connection.notify("numbered", { number });
        },
      }),
      slow: rpc.method({
        params,
        handler: async ({ auth, params: { number }, connection }) => {
          this.#ran(number, auth.subject);
          await new Promise<void>((resolve) => this.#slow.set(number, resolve));
          connection.notify("numbered", { number });
        },
      }),
    });
  }

  #ran(number: number, subject: string): void {
    this.runs.push([number, subject]);
  }
}

function verified(token: ModelToken): VerifiedToken {
  const { name, subject, expiresAt, issuedAt, mayWrite, scopes } = token;
  const { acrValues = [], authenticatedAt } = token;
  return {
    issuer: "https://id.test",
    subject,
    scopes: scopes ?? (mayWrite ? ["write"] : []),
    claims: { sub: subject, jti: name },
    expiresAt: expiresAt * 1_000,
    issuedAt: issuedAt * 1_000,
    tokenId: name,
    sessionId: undefined,
    clientId: undefined,
    acrValues,
    authenticatedAt,
    fingerprint: name,
  };
}

function rethrow(error: unknown): never {
  throw error;
}
