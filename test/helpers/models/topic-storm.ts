import { WebSocket } from "ws";
import { z } from "zod";
import { createRpc } from "../../../src/index.js";
import { password, RedisNode } from "../redis/redis-node.js";

export interface StormSettings {
  readonly redisUrl: string;
  readonly nodes: number;
  readonly events: number;
  readonly subscribers: number;
  /** How many subscribers in all leave and come back on another node while events flow. */
  readonly churn: number;
  /** How many events the topic keeps for those who come back. */
  readonly history: number;
}

export interface StormOutcome {
  /** Events that a subscriber received, all together. */
  readonly delivered: number;
  /** Came back and got all that was missed. */
  readonly resumed: number;
  /** Holes in front of events, and subscriptions that could not be resumed: all of them told. */
  readonly gapsTold: number;
  /**
   * Must be empty: events that came twice, out of order, after a hole that was not told, or under
   * another offset than elsewhere.
   */
  readonly faults: readonly string[];
  /** Subscribers whose last event is the last one published. */
  readonly complete: number;
  readonly seconds: number;
}

interface Place {
  readonly epoch: string;
  readonly offset: number;
}

interface Frame {
  readonly id?: string;
  readonly method?: string;
  readonly error?: { readonly code: number };
  readonly result?: Place & { readonly recovered?: boolean };
  readonly params?: {
    readonly epoch?: string;
    readonly offset: number;
    readonly gap?: boolean;
    readonly data: { readonly n: number };
  };
}

const inFlight = 200; // publications at a time

/** One topic, published to by all nodes in turn, heard by subscribers that leave and come back. */
export async function topicStorm(settings: StormSettings): Promise<StormOutcome> {
  const rpc = createRpc();
  const history = { size: settings.history, ttl: 600_000 };
  const app = rpc.router({
    ticks: rpc.topic({
      event: z.object({ n: z.number() }),
      key: () => "ticks",
      history,
      buffer: 100_000,
      overflow: "drop-oldest",
    }),
  });
  const prefix = `storm-${process.pid}-${performance.now()}`;
  const nodes: RedisNode[] = [];
  const ledger = new Ledger();
  const readers: Reader[] = [];
  try {
    for (let n = 0; n < settings.nodes; n++) {
      nodes.push(
        await RedisNode.start(
          { url: settings.redisUrl, prefix, timeout: 2_000, busLength: 20_000 },
          app,
        ),
      );
    }
    const [first] = nodes as [RedisNode];
    await first.issuer.users.add("ada", password, {});
    const { access_token: token } = await first.login();
    const urlOf = (n: number): string => nodes[n % nodes.length]?.url ?? "";
    for (let n = 0; n < settings.subscribers; n++) {
      const reader = new Reader(ledger, token);
      await reader.join(urlOf(n));
      readers.push(reader);
    }
    const last = (readers[0]?.place?.offset ?? 0) + settings.events;
    const startedAt = performance.now();
    await publishAll(nodes, app.routes.ticks, settings, async (n) => {
      const reader = readers[n % readers.length] as Reader;
      reader.leave();
      await reader.join(urlOf(n + 1 + Math.floor(n / readers.length)));
    });
    await settled(readers, last, ledger);
    const seconds = (performance.now() - startedAt) / 1_000;
    return {
      ...ledger.outcome,
      complete: readers.filter(({ place }) => place?.offset === last).length,
      seconds,
    };
  } finally {
    for (const reader of readers) reader.leave();
    for (const node of nodes) await node[Symbol.asyncDispose]();
  }
}

async function publishAll(
  nodes: readonly RedisNode[],
  route: object,
  { events, churn }: StormSettings,
  comeBack: (n: number) => Promise<void>,
): Promise<void> {
  const pace = Math.max(1, Math.floor(events / Math.max(churn, 1)));
  let churned = 0;
  for (let from = 0; from < events; from += inFlight) {
    const work: Promise<void>[] = [];
    for (let n = from; n < Math.min(from + inFlight, events); n++) {
      work.push(
        nodes[n % nodes.length]?.server.publish(route as never, {} as never, { n } as never) ??
          Promise.resolve(),
      );
      if (n % pace === 0 && churned < churn) work.push(comeBack(churned++));
    }
    await Promise.all(work);
  }
}

/** Until all have heard of the last event, or nothing has come for 3 s. */
async function settled(readers: readonly Reader[], last: number, ledger: Ledger): Promise<void> {
  for (let seen = -1, still = 0; still < 30; ) {
    if (readers.every(({ place }) => place?.offset === last)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
    still = ledger.outcome.delivered === seen ? still + 1 : 0;
    seen = ledger.outcome.delivered;
  }
}

/** What all readers saw: an offset has one event, whoever hears of it. */
class Ledger {
  readonly #events = new Map<number, number>();
  readonly #faults: string[] = [];
  #delivered = 0;
  #resumed = 0;
  #gapsTold = 0;

  get outcome(): Pick<StormOutcome, "delivered" | "resumed" | "gapsTold" | "faults"> {
    return {
      delivered: this.#delivered,
      resumed: this.#resumed,
      gapsTold: this.#gapsTold,
      faults: this.#faults,
    };
  }

  heard(offset: number, n: number): void {
    this.#delivered++;
    const known = this.#events.get(offset);
    if (known === undefined) this.#events.set(offset, n);
    else if (known !== n) this.fault(`offset ${offset} was event ${known}, and is ${n} elsewhere`);
  }

  resumed(): void {
    this.#resumed++;
  }

  gap(): void {
    this.#gapsTold++;
  }

  fault(what: string): void {
    if (this.#faults.length < 20) this.#faults.push(what);
  }
}

/** Keeps its place, as an SDK does, and judges each event by it. */
class Reader {
  readonly #ledger: Ledger;
  readonly #token: string;
  #socket: WebSocket | undefined;
  place: Place | undefined;

  constructor(ledger: Ledger, token: string) {
    this.#ledger = ledger;
    this.#token = token;
  }

  /** Resolves when it is subscribed. */
  async join(url: string): Promise<void> {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    this.#socket = socket;
    await new Promise<void>((resolve, reject) => {
      const call = (id: string, method: string, params: object) =>
        socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("closed before it had subscribed")));
      socket.on("open", () => call("a", "authenticate", { token: this.#token }));
      socket.on("message", (data) => {
        const frame = JSON.parse(String(data)) as Frame;
        if (frame.error !== undefined) reject(new Error(`${frame.id}: ${frame.error.code}`));
        if (frame.id === "a")
          call("s", "ticks", this.place === undefined ? {} : { $since: this.place });
        if (frame.id === "s" && frame.result !== undefined) resolve(this.#joined(frame.result));
        if (frame.method === "subscription.event" && this.#socket === socket) this.#take(frame);
      });
    });
  }

  leave(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.terminate();
  }

  #joined({ epoch, offset, recovered }: Place & { readonly recovered?: boolean }): void {
    // its place stays: what was missed follows
    if (recovered === true) return this.#ledger.resumed();
    if (this.place !== undefined) this.#ledger.gap();
    this.place = { epoch, offset };
  }

  #take({ params }: Frame): void {
    const { place } = this;
    if (params === undefined || place === undefined)
      return this.#ledger.fault("an event before the answer");
    const { offset, epoch = place.epoch, gap = false, data } = params;
    if (gap) this.#ledger.gap();
    if (epoch !== place.epoch) this.#ledger.fault(`epoch ${epoch} after ${place.epoch}`);
    if (offset <= place.offset) this.#ledger.fault(`offset ${offset} after ${place.offset}`);
    else if (offset !== place.offset + 1 && !gap)
      this.#ledger.fault(`offset ${offset} after ${place.offset}, and no gap was told`);
    this.#ledger.heard(offset, data.n);
    this.place = { epoch, offset };
  }
}
