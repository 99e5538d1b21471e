import type { Duplex } from "node:stream";
import { setImmediate as endOfTurn } from "node:timers/promises";
import type { WebSocket } from "ws";
import type { VerifiedToken } from "../../../src/auth/provider-options.js";
import { RevocationList } from "../../../src/auth/revocation/revocation-list.js";
import { createRpc, defaultLimits, type Overflow } from "../../../src/index.js";
import type { TopicState } from "../../../src/pubsub/bus.js";
import { LocalBus } from "../../../src/pubsub/local-bus.js";
import { FlushQueue } from "../../../src/pubsub/outbox.js";
import { Topics, topicKey } from "../../../src/pubsub/topics.js";
import { createRegistry } from "../../../src/rpc/define/registry.js";
import type { ServerActions } from "../../../src/rpc/define/server-actions.js";
import { Dispatcher } from "../../../src/rpc/dispatch/dispatcher.js";
import { silentLogger } from "../../../src/runtime/logger.js";
import { builtins } from "../../../src/server/connection/builtins.js";
import { Connection, type ConnectionServices } from "../../../src/server/connection/connection.js";
import { Snapshots } from "../../../src/server/connection/snapshots.js";
import { SubscriptionRights } from "../../../src/server/connection/subscription-rights.js";
import { Telemetry } from "../../../src/server/telemetry/telemetry.js";
import type { ManualClock } from "../manual-clock.js";
import { FakeSocket } from "../server/fake-socket.js";

const history = { size: 8, ttl: Number.POSITIVE_INFINITY };
const high = defaultLimits.sendBufferBytes + 1;

/** A snapshot that is being made: it has read the cards when it began, reads them now, or fails. */
export type HarnessSnapshot = Readonly<Record<"early" | "late" | "fail", () => void>>;

/** A connection of the rig, from its peer's side. */
export class HarnessPeer {
  readonly socket: FakeSocket;
  #read = 0;

  constructor(socket: FakeSocket) {
    this.socket = socket;
  }

  get isClosed(): boolean {
    return this.socket.readyState !== this.socket.OPEN;
  }

  send(message: object): void {
    if (!this.isClosed)
      this.socket.emit(
        "message",
        Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message })),
        false,
      );
  }

  /** Reads no more: what is sent stays in the send buffer. */
  stall(): void {
    this.socket.bufferedAmount = high;
  }

  leave(): void {
    if (this.isClosed) return;
    this.socket.close(1000);
    this.socket.emit("close", 1000);
  }

  received(): readonly Record<string, unknown>[] {
    const fresh = this.socket.sent.slice(this.#read);
    this.#read = this.socket.sent.length;
    return fresh.map((text) => JSON.parse(text) as Record<string, unknown>);
  }
}

/**
 * Real connections, topics and a bus, on sockets that are none: a server that can be restarted in
 * no time. Tokens are `exp` in seconds.
 */
export class SubscriptionHarness {
  readonly clock: ManualClock;
  readonly #overflow: Overflow;
  readonly #peers = new Set<HarnessPeer>();
  /** The bus answers in a later turn. */
  isFar = false;
  /** The application's state, which outlives the server: card → version. */
  readonly cards = new Map<string, number>();
  /** Snapshots of the cards that are being made, in order. */
  readonly snapshots: HarnessSnapshot[] = [];
  /** How often a topic was read. */
  reads = 0;
  #topics = new Topics(rethrow);
  #bus: LocalBus;
  #services: ConnectionServices;
  readonly #telemetry = new Telemetry();
  #epochs = 0;

  constructor(clock: ManualClock, overflow: Overflow) {
    this.clock = clock;
    this.#overflow = overflow;
    this.#bus = this.#newBus();
    this.#services = this.#newServices();
  }

  /** How many topics somebody listens to. */
  get topics(): number {
    return this.#topics.size;
  }

  /** What is counted. */
  get telemetry(): Telemetry {
    return this.#telemetry;
  }

  connect(): HarnessPeer {
    const socket = new FakeSocket();
    const peer = new HarnessPeer(socket);
    this.#peers.add(peer);
    const observer = {
      identified() {},
      authenticateFailed() {},
      closed: () => void this.#peers.delete(peer),
    };
    new Connection(
      `c${this.#epochs}`,
      "127.0.0.1",
      socket as unknown as WebSocket,
      {} as Duplex,
      this.#services,
      observer,
    );
    return peer;
  }

  publish(route: "kept" | "plain", n: number): void {
    this.#bus.publish(
      topicKey({ route, name: route }),
      `{"n":${n}}`,
      route === "kept" ? history : undefined,
    );
  }

  /** Changes a card, and publishes it on both topics that have snapshots. */
  change(n: number): void {
    const card = `c${n % 5}`;
    this.cards.set(card, n);
    for (const [route, kept] of [
      ["live", history],
      ["bare", undefined],
    ] as const) {
      const topic = topicKey({ route, name: route });
      this.#bus.publish(topic, JSON.stringify({ card, version: n }), kept);
    }
  }

  /** All connections are lost, and the history too. */
  restart(): void {
    for (const peer of [...this.#peers]) peer.leave();
    this.#services.dispatcher.close();
    this.#topics = new Topics(rethrow);
    this.#bus = this.#newBus();
    this.#services = this.#newServices();
  }

  /** Everything that can happen without time passing has happened. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await endOfTurn();
  }

  dispose(): void {
    for (const peer of [...this.#peers]) peer.leave();
    this.#services.dispatcher.close();
  }

  #read(...asked: Parameters<LocalBus["read"]>): TopicState | Promise<TopicState> {
    this.reads++;
    const state = this.#bus.read(...asked);
    return this.isFar ? endOfTurn().then(() => state) : state;
  }

  #newBus(): LocalBus {
    const topics = this.#topics;
    const bus = new LocalBus(`epoch ${++this.#epochs}`, () => this.clock.monotonic());
    bus.subscribe({ event: (event) => topics.event(event), gap: () => topics.gap(), message() {} });
    return bus;
  }

  #newServices(): ConnectionServices {
    const rpc = createRpc();
    const rule = { overflow: this.#overflow, buffer: 4 };
    const overflow = this.#overflow === "drop-newest" ? "drop-oldest" : this.#overflow;
    const liveRule = { ...rule, overflow } as const;
    const snapshot = () => {
      const early = Object.fromEntries(this.cards);
      return new Promise<typeof early>((resolve, reject) =>
        this.snapshots.push({
          early: () => resolve(early),
          late: () => resolve(Object.fromEntries(this.cards)),
          fail: () => reject(new Error("no database")),
        }),
      );
    };
    const app = rpc.router({
      kept: rpc.topic({ key: () => "kept", history, ...rule }),
      plain: rpc.topic({ key: () => "plain", ...rule }),
      live: rpc.topic({ key: () => "live", history, ...liveRule, snapshot }),
      bare: rpc.topic({ key: () => "bare", ...liveRule, snapshot }),
      /** Yields 1, 2, 3 … as long as it is pulled. */
      count: rpc.subscription({
        async *handler({ signal }) {
          for (let n = 1; !signal.aborted; n++) yield { n };
        },
      }),
    });
    const { clock } = this;
    const limits = {
      ...defaultLimits,
      openFramesPerSecond: Number.POSITIVE_INFINITY,
      grace: 60_000,
    };
    return {
      clock,
      limits,
      authority: {
        production: false,
        verify: async (exp) => verified(Number(exp) * 1_000, clock.now()),
        mayRenew: () => false,
        mayRevoke: () => false,
        renew: () => Promise.reject(new Error("not offered")),
        revokeRefreshToken: () => Promise.reject(new Error("not offered")),
      },
      authRate: { take: () => true },
      dispatcher: new Dispatcher(createRegistry(app), new Map(builtins), limits, {
        timers: clock,
        newErrorId: () => "error",
      }),
      flushQueue: new FlushQueue(),
      revocations: new RevocationList(),
      topics: { topics: this.#topics, bus: { read: (...asked) => this.#read(...asked) } },
      actions: {} as ServerActions,
      rights: new SubscriptionRights(clock),
      snapshots: new Snapshots({
        ...{ clock, limits, topics: this.#topics, log: silentLogger },
        newErrorId: () => "error",
      }),
      hooks: { subscribed() {}, unsubscribed() {}, isBehind: () => false },
      notifications: new Map(),
      log: silentLogger,
      applicationLog: silentLogger,
      telemetry: this.#telemetry,
      compression: true, // so that frames pass through the pretended socket
    };
  }
}

function verified(expiresAt: number, issuedAt: number): VerifiedToken {
  const identity = {
    issuer: "https://id.test",
    subject: "user-1",
    scopes: [],
    claims: {},
    clientId: undefined,
    acrValues: [],
    authenticatedAt: undefined,
  };
  return {
    ...identity,
    expiresAt,
    issuedAt,
    tokenId: undefined,
    sessionId: undefined,
    fingerprint: `${expiresAt} ${issuedAt}`,
  };
}

function rethrow(error: unknown): never {
  throw error;
}
