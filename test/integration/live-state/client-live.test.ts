import { expect } from "chai";
import { z } from "zod";
import { type Client, createClient } from "../../../client/node.js";
import { createRpc, createServer, type Server } from "../../../src/index.js";
import { redisStore } from "../../../src/store/redis/index.js";
import { eventually } from "../../helpers/eventually.js";
import { hasRedis, RedisServer } from "../../helpers/redis/redis-server.js";
import { requires } from "../../helpers/requirement.js";
import { recordingLogger } from "../../helpers/server/test-server.js";
import { createTestKeys, signToken } from "../../helpers/tokens/tokens.js";

interface Card {
  readonly id: string;
  readonly version: number;
}

type Cards = Readonly<Record<string, number>>;

const keys = createTestKeys();

/** A table of cards that any number of servers show. */
class Table {
  readonly cards = new Map<string, Card>();
  readonly app = this.#app();

  #app() {
    const rpc = createRpc();
    const board = rpc.topic({
      params: z.object({ board: z.string() }),
      key: ({ board }) => `board:${board}`,
      event: z.object({ id: z.string(), version: z.number() }),
      history: { size: 20, ttl: 60_000 },
      snapshot: async () => {
        await new Promise((resolve) => setTimeout(resolve, 5)); // as a query takes its time
        return [...this.cards.values()];
      },
    });
    return rpc.router({ board });
  }

  get state(): Cards {
    return Object.fromEntries([...this.cards.values()].map(({ id, version }) => [id, version]));
  }

  /** Changes a card, and publishes it then. */
  async put(id: string, server?: Server): Promise<void> {
    const card = { id, version: (this.cards.get(id)?.version ?? 0) + 1 };
    this.cards.set(id, card);
    await server?.publish(this.app.routes.board, { board: "b1" }, card);
  }

  async start(port = 0, redis?: string): Promise<Node> {
    const store = redis === undefined ? undefined : redisStore({ url: redis });
    const server = createServer(this.app, {
      auth: { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk },
      logger: recordingLogger().logger,
      ...(store === undefined ? {} : { store }),
    });
    const { url } = await server.listen(port);
    const close = async () => {
      await server.close();
      await store?.close();
    };
    return { server, url, close };
  }
}

interface Node {
  readonly server: Server;
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** A page that keeps the board current, and writes down each state. */
class Page {
  readonly states: Cards[] = [];
  resets = 0;
  error: unknown;
  readonly client: Client<Table["app"]>;

  constructor(url: string) {
    this.client = createClient<Table["app"]>({
      url,
      token: () => signToken(keys),
      backoff: { min: 20, max: 100 },
    });
    this.#read().catch((error) => {
      this.error = error;
    });
  }

  async #read(): Promise<void> {
    const newest = (cards: readonly Card[], card: Card) => [
      ...cards.filter(({ id, version }) => id !== card.id || version > card.version),
      ...(cards.some(({ id, version }) => id === card.id && version > card.version) ? [] : [card]),
    ];
    for await (const { state, reset } of this.client.live("board", { board: "b1" }, newest)) {
      this.states.push(Object.fromEntries(state.map(({ id, version }) => [id, version])));
      if (reset) this.resets++;
    }
  }

  /** States in which a card is older than in the one before. */
  get stepsBack(): readonly (readonly [Cards, Cards])[] {
    return this.states
      .map((state, index) => [this.states[index - 1] ?? {}, state] as const)
      .filter(([before, after]) =>
        Object.entries(before).some(([id, version]) => (after[id] ?? 0) < version),
      );
  }

  shows(table: Table): void {
    expect(this.error).to.equal(undefined);
    expect(this.states.at(-1)).to.deep.equal(table.state);
  }
}

describe("client.live", function () {
  this.timeout(60_000);

  it("shows the server's state over a restart, with what changed meanwhile", async () => {
    const table = new Table();
    await table.put("before");
    let node = await table.start();
    const page = new Page(node.url);
    await eventually(() => page.shows(table));
    for (let count = 0; count < 5; count++) await table.put(`c${count % 2}`, node.server);
    await eventually(() => page.shows(table));
    expect(page.resets, "events alone").to.equal(1);
    await node.close();
    for (const id of ["c0", "meanwhile"]) await table.put(id); // nobody is told
    node = await table.start(Number(new URL(node.url).port));
    await eventually(() => page.shows(table));
    expect(page.resets).to.equal(2);
    await table.put("after", node.server);
    await eventually(() => page.shows(table));
    expect([page.resets, page.stepsBack]).to.deep.equal([2, []]);
    await page.client.close();
    await node.close();
  });

  it("shows the same on two nodes that both write, also after Redis was killed", async function () {
    requires(this, "redis-server", hasRedis);
    const redis = await RedisServer.start();
    const table = new Table();
    const nodes = await Promise.all([table.start(0, redis.url), table.start(0, redis.url)]);
    const pages = nodes.flatMap(({ url }) => [new Page(url), new Page(url)]);
    const write = (count: number) =>
      Promise.allSettled(
        Array.from({ length: count }, (_, n) => table.put(`c${n % 7}`, nodes[n % 2]?.server)),
      );
    try {
      await write(100); // while the pages join
      await eventually(() => {
        for (const page of pages) page.shows(table);
      });
      await redis.kill();
      await write(10); // the state changes, and no event comes through
      await redis.restart();
      for (const { server } of nodes) await eventually(() => table.put("after", server), 20_000);
      for (const { status } of await write(100)) expect(status).to.equal("fulfilled");
      await eventually(async () => {
        await table.put("last", nodes[0]?.server); // a gap is told with the next event
        await eventually(() => {
          for (const page of pages) page.shows(table);
        }, 1_000);
      }, 20_000);
      for (const page of pages) {
        expect(page.stepsBack).to.deep.equal([]);
        expect(page.resets).to.be.above(1);
      }
    } finally {
      await Promise.all(pages.map(({ client }) => client.close()));
      await Promise.all(nodes.map(({ close }) => close()));
      await redis.stop();
    }
  });
});
