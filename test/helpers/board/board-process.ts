/**
 * A board whose events outlive its server, which is a process of its own and may be killed. Both
 * sides of it: forked, this file loads, waits for where to serve, and tells its port.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "libsql";
import { z } from "zod";
import { createRpc, createServer } from "../../../src/index.js";
import { fileStore } from "../../../src/issuer/index.js";

const program = fileURLToPath(import.meta.url);
export const audience = "board";
export const issuer = "https://id.example.com";
export const secret = "a secret of at least thirty-two bytes";

/** Where the events are: in an SQLite table of the application, or in the server's file store. */
export type Keeper = "sqlite" | "file";

export interface BoardSettings {
  readonly keeper: Keeper;
  readonly folder: string;
  readonly port: number;
}

interface Row {
  readonly offset: number;
  readonly data: string;
}

/** The application's event table: the numbers of all boards come from one sequence. */
export class EventTable {
  readonly #database: Database.Database;

  constructor(folder: string) {
    this.#database = new Database(join(folder, "board.db"));
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000");
    this.#database.exec(
      "CREATE TABLE IF NOT EXISTS event (offset INTEGER PRIMARY KEY AUTOINCREMENT, board TEXT, data TEXT)",
    );
  }

  add(board: string, data: number): number {
    const insert = this.#database.prepare("INSERT INTO event (board, data) VALUES (?, ?)");
    return Number(insert.run(board, JSON.stringify(data)).lastInsertRowid);
  }

  after(board: string, offset: number): readonly Row[] {
    return this.#database
      .prepare(
        "SELECT offset, data FROM event WHERE board = ? AND offset > ? ORDER BY offset LIMIT 100",
      )
      .all(board, offset) as Row[];
  }

  latest(board: string): number {
    const found = this.#database
      .prepare("SELECT coalesce(max(offset), 0) AS offset FROM event WHERE board = ?")
      .get(board) as { offset: number };
    return found.offset;
  }

  close(): void {
    this.#database.close();
  }
}

const rpc = createRpc();
const params = z.object({ board: z.string() });

/** Events come from another process, which tells of them by `announce`. */
function sqliteBoard(folder: string) {
  const table = new EventTable(folder);
  const events = rpc.topic({
    params,
    event: z.number(),
    key: ({ board }) => board,
    history: {
      async *read({ params: { board }, after, signal }) {
        for (let last = after; !signal.aborted; ) {
          const rows = table.after(board, last);
          for (const { offset, data } of rows) {
            yield { offset, data: JSON.parse(data) as number };
            last = offset;
          }
          if (rows.length === 0) return;
        }
      },
      latest: ({ params: { board } }) => ({ epoch: "1", offset: table.latest(board) }),
    },
  });
  return rpc.router({
    events,
    announce: rpc.method({
      params: z.object({ board: z.string(), offset: z.number(), data: z.number() }),
      async handler({ params: { board, offset, data }, publish }) {
        await publish(events, { board }, data, { offset });
        return true;
      },
    }),
  });
}

function fileBoard() {
  const events = rpc.topic({
    params,
    event: z.number(),
    key: ({ board }) => board,
    history: { size: 10_000, ttl: Number.POSITIVE_INFINITY },
  });
  return rpc.router({
    events,
    announce: rpc.method({
      params: z.object({ board: z.string(), offset: z.number(), data: z.number() }),
      async handler({ params: { board, data }, publish }) {
        await publish(events, { board }, data);
        return true;
      },
    }),
  });
}

export type BoardApp = ReturnType<typeof sqliteBoard>;

async function serve({ keeper, folder, port }: BoardSettings): Promise<void> {
  const options = { auth: { issuer, audience, secret } };
  const server =
    keeper === "sqlite"
      ? createServer(sqliteBoard(folder), options)
      : createServer(fileBoard(), { ...options, store: fileStore(join(folder, "state")) });
  const { url } = await server.listen(port);
  process.send?.(Number(new URL(url).port));
  process.once("disconnect", () => process.exit()); // the test has ended, however that was
  process.once("SIGTERM", async () => {
    await server.close({ drain: 200 });
    process.exit(0);
  });
}

export class BoardProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(settings: BoardSettings): Promise<[BoardProcess, number]> {
    const child = fork(program, { execArgv: ["--import", "tsx", "--unhandled-rejections=strict"] });
    child.send(settings);
    const died = once(child, "exit").then(([code]) => {
      throw new Error(`the board ended by itself with ${code}`);
    });
    const [port] = await Promise.race([once(child, "message"), died]);
    died.catch(() => {});
    return [new BoardProcess(child), port];
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.kill(signal);
    await exited;
  }
}

if (process.argv[1] === program)
  process.once("message", (settings: BoardSettings) => void serve(settings));
