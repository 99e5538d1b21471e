/** The server of a board, as a process of its own with a folder of its own. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import { openBoardStore } from "../../board/store.ts";
import type { Card } from "./board-client.ts";
import { deadline } from "./wait.ts";

export interface ServerSettings {
  /** The server's program. */
  readonly program: string;
  /** What the program imports, which a standby loads before it is started. */
  readonly packages: readonly string[];
  /** How long an access token is good. */
  readonly tokenSeconds?: number;
}

// what Node imports before the program
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const before = ["--import", tsx, "--import", new URL("gate.ts", import.meta.url).href];

interface Child {
  readonly process: ChildProcessByStdio<Writable, Readable, null>;
  readonly lines: Interface;
}

export class ServerProcess {
  readonly #settings: ServerSettings;
  readonly #folder = mkdtempSync(join(tmpdir(), "jotwire-comparison-"));
  readonly #secret = randomBytes(32).toString("hex");
  #port = 0;
  #child: Child | undefined;
  #standby: Child | undefined;

  constructor(settings: ServerSettings) {
    this.#settings = settings;
  }

  get origin(): string {
    return `http://localhost:${this.#port}`;
  }

  /** Resolves once the server listens, on the port that it had before. */
  async start(): Promise<void> {
    if (this.#standby === undefined) await this.prepare();
    this.#child = this.#standby;
    this.#standby = undefined;
    this.#child?.process.stdin.write("go\n");
    await this.#said(this.#child, "listening on ");
  }

  /** Has a process ready to be the next server. */
  async prepare(): Promise<void> {
    this.#port ||= await freePort();
    mkdirSync(join(this.#folder, "state"), { recursive: true });
    const { program, packages, tokenSeconds = 300 } = this.#settings;
    const started = spawn(process.execPath, [...before, program], {
      env: {
        ...process.env,
        PORT: String(this.#port),
        ORIGIN: this.origin,
        DATABASE: join(this.#folder, "board.db"),
        STATE: join(this.#folder, "state"),
        JWT_SECRET: this.#secret,
        TOKEN_SECONDS: String(tokenSeconds),
        PROGRAM: program,
        PRELOAD: packages.join(),
      },
      stdio: ["pipe", "pipe", "inherit"],
    });
    started.stdin.on("error", () => {}); // it has exited, which `#said` tells
    this.#standby = { process: started, lines: createInterface({ input: started.stdout }) };
    await this.#said(this.#standby, "waiting");
  }

  async #said(child: Child | undefined, text: string): Promise<void> {
    const { program } = this.#settings;
    const said = new Promise<void>((resolve, reject) => {
      child?.lines.on("line", (line) => line.includes(text) && resolve());
      child?.process.once("exit", (code) => reject(new Error(`${program} exited with ${code}`)));
    });
    await deadline(said, 60_000, `${program} has not said "${text}"`);
  }

  /** Ends the process, by SIGKILL if it is still there after 10 s. */
  async stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    await end(this.#child, signal);
  }

  /** What is in the database. */
  cards(board: string): readonly Card[] {
    const store = openBoardStore(join(this.#folder, "board.db"));
    try {
      return store.cards(board);
    } finally {
      store.close();
    }
  }

  async close(): Promise<void> {
    await end(this.#child, "SIGKILL");
    await end(this.#standby, "SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function end(child: Child | undefined, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (!child || child.process.exitCode !== null || child.process.signalCode !== null) return;
  const exited = once(child.process, "exit");
  child.process.kill(signal);
  const timer = setTimeout(() => child.process.kill("SIGKILL"), 10_000);
  await exited;
  clearTimeout(timer);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "localhost");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
