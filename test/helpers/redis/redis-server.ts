import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { runs } from "../requirement.js";

export const hasRedis = (): boolean => runs("redis-server", "--version");

export interface RedisSettings {
  /** Default: none, all is forgotten with the process. */
  readonly appendfsync?: "always" | "everysec";
  /** More of its options, as on the command line. */
  readonly options?: readonly string[];
}

/** Debian's Redis, on a free port of loopback. What it keeps is in a folder of its own. */
export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  readonly #settings: RedisSettings;
  #process: ChildProcess | undefined;

  private constructor(port: number, folder: string, settings: RedisSettings) {
    this.port = port;
    this.#folder = folder;
    this.#settings = settings;
  }

  static async start(settings: RedisSettings = {}): Promise<RedisServer> {
    const server = new RedisServer(
      await freePort(),
      await mkdtemp(join(tmpdir(), "jotwire-redis-")),
      settings,
    );
    await server.restart();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again, on the same port, after it was killed. Resolves when it answers. */
  async restart(): Promise<void> {
    const { appendfsync, options = [] } = this.#settings;
    const persistence =
      appendfsync === undefined
        ? ["--appendonly", "no"]
        : ["--appendonly", "yes", "--appendfsync", appendfsync];
    const place = [
      "--port",
      String(this.port),
      "--bind",
      "127.0.0.1",
      "--dir",
      this.#folder,
      "--save",
      "",
    ];
    this.#process = spawn("redis-server", [...place, ...persistence, ...options], {
      stdio: "ignore",
    });
    for (let tries = 0; !(await answers(this.port)); tries++) {
      if (tries > 400) throw new Error("redis-server does not answer");
      await pause(25);
    }
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    this.#process = undefined;
    const exited = once(process, "exit");
    process.kill("SIGCONT");
    process.kill("SIGKILL");
    await exited;
  }

  async isDown(): Promise<boolean> {
    return !(await answers(this.port));
  }

  /** It hangs: connections stay, and new ones are taken by the kernel, but nothing is answered. */
  hang(): void {
    this.#process?.kill("SIGSTOP");
  }

  goOn(): void {
    this.#process?.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true });
  }

  /**
   * Runs one command over a connection of its own; its answer as Redis wrote it, for simple ones.
   */
  async command(...args: readonly string[]): Promise<string> {
    const socket = createConnection(this.port, "127.0.0.1");
    await once(socket, "connect");
    socket.write(
      `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join("")}`,
    );
    const [answer] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    return answer.toString();
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1");
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (data) => {
      socket.destroy();
      resolve(data.toString() === "+PONG\r\n");
    });
    socket.once("error", () => resolve(false));
  });
}
