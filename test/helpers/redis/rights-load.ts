import { setImmediate as endOfTurn, setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { createRpc } from "../../../src/index.js";
import { eventually } from "../eventually.js";
import type { RawClient } from "../server/raw-client.js";
import { password, RedisNode } from "./redis-node.js";

const boards = 5;

/** The application's database, which all nodes ask: who is a member of the board of a user. */
type Members = Set<string>;

function boardApp(members: Members) {
  const rpc = createRpc();
  return rpc.router({
    cards: rpc.topic({
      params: z.object({ board: z.number() }),
      key: ({ board }) => `board:${board}`,
      async authorize({ auth }) {
        await endOfTurn(); // as a query does
        return members.has(auth.subject);
      },
    }),
  });
}

interface Event {
  readonly n: number;
  /** When its publication began. */
  readonly at: number;
}

/** What one connection of a user has heard. */
interface Ear {
  readonly user: string;
  readonly events: Event[];
  lastAt: number;
  endedAt: number | undefined;
  /** Events behind the end of the subscription. */
  late: number;
}

/** What came of taking a right away. */
export interface Removal {
  /** What `reauthorize` resolved with; undefined: it rejected. */
  readonly result: { readonly ended: number; readonly complete: boolean } | undefined;
  readonly startedAt: number;
  readonly answeredAt: number;
}

/** Nodes on one Redis, a connection of each user to each node, and events for all of them. */
export class RightsLoad implements AsyncDisposable {
  readonly #nodes: RedisNode[];
  readonly #app: ReturnType<typeof boardApp>;
  readonly #members: Members;
  readonly #ears: Ear[] = [];
  readonly #clients: RawClient[] = [];
  #work: Promise<void> = Promise.resolve();
  #isStopping = false;
  published = 0;

  private constructor(nodes: RedisNode[], app: ReturnType<typeof boardApp>, members: Members) {
    this.#nodes = nodes;
    this.#app = app;
    this.#members = members;
  }

  /** `pace`: milliseconds between two events. */
  static async start(url: string, count: number, users: number, pace = 2): Promise<RightsLoad> {
    const members: Members = new Set();
    const app = boardApp(members);
    const nodes: RedisNode[] = [];
    for (let n = 0; n < count; n++) nodes.push(await RedisNode.start({ url, prefix: "r" }, app));
    const load = new RightsLoad(nodes, app, members);
    for (let n = 0; n < users; n++) await load.#join(n);
    await load.whole();
    load.#work = load.#publish(pace);
    return load;
  }

  get heard(): number {
    return this.#ears.reduce((sum, { events }) => sum + events.length, 0);
  }

  /** Events that came behind `subscription.ended` on the same connection. */
  get late(): number {
    return this.#ears.reduce((sum, { late }) => sum + late, 0);
  }

  /** Nodes that have told of rights that they could not ask everywhere. */
  get warnings(): number {
    return this.#nodes.reduce(
      (sum, { log }) =>
        sum + log.filter(({ fields }) => fields.event === "reauthorize.incomplete").length,
      0,
    );
  }

  /** Waits until each node reaches all others. */
  async whole(): Promise<void> {
    await eventually(async () => {
      for (const { server } of this.#nodes) {
        const { nodes, complete } = await server.sessions();
        if (nodes !== this.#nodes.length || !complete) throw new Error("a node is not reached");
      }
    }, 20_000);
  }

  /** Takes the right of a user away on one of the nodes. */
  async remove(n: number): Promise<Removal> {
    const startedAt = performance.now();
    this.#members.delete(`user-${n}`);
    const { server } = this.#nodes[n % this.#nodes.length] as RedisNode;
    const result = await server.reauthorize({ subject: `user-${n}` }).catch(() => undefined);
    return { result, startedAt, answeredAt: performance.now() };
  }

  /** Resolves when all connections of a user were told; rejects when that takes too long. */
  async told(n: number, limitMs = 20_000): Promise<number> {
    const ears = this.#earsOf(n);
    await eventually(() => {
      if (ears.some(({ endedAt }) => endedAt === undefined)) throw new Error(`user ${n}: not told`);
    }, limitMs);
    return Math.max(...ears.map(({ endedAt = 0 }) => endedAt));
  }

  /** When the last event came to a user on any node. */
  lastEvent(n: number): number {
    return Math.max(...this.#earsOf(n).map(({ lastAt }) => lastAt));
  }

  /** Events to a user whose publication began after a moment. */
  eventsAfter(n: number, moment: number): number {
    return this.#earsOf(n).reduce(
      (sum, { events }) => sum + events.filter(({ at }) => at > moment).length,
      0,
    );
  }

  /** Waits for some more events to come to a user on every node. */
  async goesOn(n: number, more = 3): Promise<void> {
    const ears = this.#earsOf(n);
    const before = ears.map(({ events }) => events.length);
    await eventually(() => {
      if (ears.some(({ events }, index) => events.length < (before[index] ?? 0) + more))
        throw new Error(`user ${n}: no further event`);
    }, 20_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    await this.#work;
    for (const client of this.#clients) client.socket.terminate();
    for (const node of this.#nodes) await node[Symbol.asyncDispose]();
  }

  #earsOf(n: number): readonly Ear[] {
    return this.#ears.filter(({ user }) => user === `user-${n}`);
  }

  async #join(n: number): Promise<void> {
    const user = `user-${n}`;
    this.#members.add(user);
    const [first] = this.#nodes;
    await first?.issuer.users.add(user, password, {});
    const { access_token: token } = (await first?.login(user)) ?? { access_token: "" };
    for (const node of this.#nodes) {
      const client = await node.connect(token);
      const ear: Ear = { user, events: [], lastAt: 0, endedAt: undefined, late: 0 };
      const { error } = await client.call("cards", { board: n % boards });
      if (error !== undefined) throw new Error(`cards answered ${error.code}`);
      client.socket.on("message", (data) => hear(ear, String(data)));
      this.#clients.push(client);
      this.#ears.push(ear);
    }
  }

  async #publish(pace: number): Promise<void> {
    for (let n = 0; !this.#isStopping; n++, await pause(pace)) {
      const { server } = this.#nodes[n % this.#nodes.length] as RedisNode;
      const event = { n, at: performance.now() };
      // which fails while Redis is away
      const sent = server.publish(this.#app.routes.cards, { board: n % boards }, event);
      void sent.then(
        () => this.published++,
        () => {},
      );
    }
  }
}

function hear(ear: Ear, text: string): void {
  const { method, params } = JSON.parse(text) as {
    readonly method?: string;
    readonly params?: { readonly data: Event };
  };
  const now = performance.now();
  if (method === "subscription.ended") ear.endedAt = now;
  if (method !== "subscription.event" || params === undefined) return;
  ear.events.push(params.data);
  ear.lastAt = now;
  if (ear.endedAt !== undefined) ear.late++;
}
