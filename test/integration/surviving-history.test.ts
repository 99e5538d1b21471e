import { expect } from "chai";
import { SignJWT } from "jose";
import { type Client, createClient, gap } from "../../client/node.js";
import {
  audience,
  type BoardApp,
  BoardProcess,
  EventTable,
  issuer,
  type Keeper,
  secret,
} from "../helpers/board/board-process.js";
import { eventually } from "../helpers/eventually.js";
import { withFolder } from "../helpers/temporary-folder.js";

const interval = 50; // ms between two events: 20 a second
const boards = ["a", "b"];
const subscribersPerBoard = 3;

async function token(): Promise<string> {
  return new SignJWT({})
    .setProtectedHeader({ alg: "HS256", typ: "at+jwt" })
    .setSubject("ada")
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime("1h")
    .setJti(crypto.randomUUID())
    .sign(new TextEncoder().encode(secret));
}

const clientOf = (port: number): Client<BoardApp> =>
  createClient<BoardApp>({
    url: `ws://127.0.0.1:${port}/rpc`,
    token,
    backoff: { min: 50, max: 200 },
  });

/** Reads a board, and writes down all that its loop sees. */
class Reader {
  readonly seen: (number | "gap")[] = [];
  readonly client: Client<BoardApp>;
  readonly board: string;

  constructor(port: number, board: string) {
    this.board = board;
    this.client = clientOf(port);
    void this.#read();
  }

  async #read(): Promise<void> {
    for await (const event of this.client.api.events({ board: this.board }, { gaps: true }))
      this.seen.push(event === gap ? "gap" : (event as number));
  }
}

/** Another connection, through which 20 events a second come, whether or not the server is there. */
class Writer {
  readonly #client: Client<BoardApp>;
  readonly #table: EventTable | undefined;
  readonly #timer: NodeJS.Timeout;
  /** What a board's subscribers must see, and what they may. */
  readonly certain = new Map(boards.map((board) => [board, [] as number[]]));
  readonly calls: Promise<unknown>[] = [];
  count = 0;

  constructor(port: number, table: EventTable | undefined) {
    this.#client = clientOf(port);
    this.#table = table;
    this.#timer = setInterval(() => this.#write(), interval);
  }

  #write(): void {
    const data = ++this.count;
    const board = boards[data % boards.length] as string;
    const certain = this.certain.get(board) as number[];
    const offset = this.#table?.add(board, data) ?? 0;
    // an event of the table counts, also when the server dies before it has published it
    if (offset > 0) certain.push(data);
    const call = this.#client.call("announce", { board, offset, data }, { timeout: 5_000 });
    this.calls.push(
      call.then(
        () => void (offset === 0 && certain.push(data)),
        () => {}, // the server is away, or died meanwhile
      ),
    );
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.calls);
    await this.#client.close();
  }
}

function survives(keeper: Keeper): Promise<void> {
  return withFolder(async (folder) => {
    const table = keeper === "sqlite" ? new EventTable(folder) : undefined;
    let [server, port] = await BoardProcess.start({ keeper, folder, port: 0 });
    const readers = boards.flatMap((board) =>
      Array.from({ length: subscribersPerBoard }, () => new Reader(port, board)),
    );
    await Promise.all(readers.map(({ client }) => client.ready()));
    const writer = new Writer(port, table);
    const written = (more: number) => {
      const goal = writer.count + more;
      return eventually(() => expect(writer.count).to.be.at.least(goal));
    };
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await eventually(() => {
        for (const { seen } of readers) expect(seen.length).to.be.above(5);
      });
      await written(10);
      await server.end(signal);
      await written(40); // 2 s without a server
      [server] = await BoardProcess.start({ keeper, folder, port });
      await written(20);
    }
    await writer.stop();
    const last = [...writer.certain.values()].map((events) => events.at(-1));
    await eventually(() => {
      for (const { seen, board } of readers) expect(seen).to.include(last[boards.indexOf(board)]);
    });
    for (const { seen, board } of readers) {
      const certain = writer.certain.get(board) as number[];
      expect(seen).to.not.include("gap");
      expect(new Set(seen).size, "once").to.equal(seen.length);
      // a call that was refused for the moment is published after those behind it, to all alike
      const others = readers.filter((reader) => reader.board === board);
      const shared = seen.filter((data) => others.every((other) => other.seen.includes(data)));
      for (const other of others)
        expect(
          other.seen.filter((data) => shared.includes(data)),
          "in one order",
        ).to.deep.equal(shared);
      const first = seen[0] as number;
      const mustSee = certain.filter((data) => data >= first);
      expect(
        mustSee.filter((data) => !seen.includes(data)),
        "lost",
      ).to.deep.equal([]);
      if (keeper === "sqlite") expect(seen).to.deep.equal(mustSee);
    }
    await Promise.all(readers.map(({ client }) => client.close()));
    await server.end("SIGTERM");
    table?.close();
  });
}

describe("A board whose server is restarted, by SIGTERM and by SIGKILL, under 20 events a second", function () {
  this.timeout(120_000);

  it("loses nothing and repeats nothing, and tells no gap, with an SQLite table of its own", () =>
    survives("sqlite"));

  it("loses nothing that was acknowledged, repeats nothing, and tells no gap, with the file store", () =>
    survives("file"));
});
