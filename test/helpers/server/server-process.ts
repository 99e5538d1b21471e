import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Limits } from "../../../src/index.js";
import { createTestKeys, signToken, type TestKeys } from "../tokens/tokens.js";
import type { ChildIssuer, ChildSettings } from "./child-settings.js";
import { RawClient } from "./raw-client.js";

const program = fileURLToPath(new URL("./child-app.ts", import.meta.url));

/** Bytes. */
export interface Memory {
  readonly heapUsed: number;
  readonly rss: number;
}

/** A line of its log. */
export interface LoggedLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly event?: string;
  readonly method?: string;
  readonly limit?: string;
}

/** JSON has no infinity. */
const spelledOut = (_name: string, value: unknown) =>
  value === Number.POSITIVE_INFINITY ? "Infinity" : value;

/** A server in a process of its own, which any unhandled rejection would end. */
export class ServerProcess implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #keys: TestKeys;
  #standardError = "";

  private constructor(child: ChildProcess, url: string, keys: TestKeys) {
    this.#child = child;
    this.url = url;
    this.#keys = keys;
    child.stderr?.on("data", (chunk) => {
      this.#standardError += String(chunk);
    });
  }

  /** `heap`: MiB, at which the process would die. */
  static async start(
    limits: Partial<Limits> = {},
    heap?: number,
    issuer?: ChildIssuer,
  ): Promise<ServerProcess> {
    const keys = createTestKeys();
    const settings: ChildSettings = {
      publicJwk: keys.publicJwk,
      limits,
      ...(issuer === undefined ? {} : { issuer }),
    };
    const bounded = heap === undefined ? [] : [`--max-old-space-size=${heap}`];
    const child = spawn(
      process.execPath,
      [...bounded, "--unhandled-rejections=strict", "--expose-gc", "--import", "tsx", program],
      {
        env: { ...process.env, JOTWIRE_CHILD: JSON.stringify(settings, spelledOut) },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    if (child.stdout === null) throw new Error("no standard output");
    const ended = once(child, "exit").then(() => {
      throw new Error("the server did not start");
    });
    const said = once(createInterface(child.stdout), "line");
    const [url] = (await Promise.race([said, ended])) as [string];
    return new ServerProcess(child, url, keys);
  }

  get isUp(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * Lines of the log from a level at which somebody should look, and what else stands on standard
   * error.
   */
  get complaints(): readonly string[] {
    return this.#standardError
      .split("\n")
      .filter((line) => line !== "" && !/"level":"(debug|info|warn)"/.test(line));
  }

  /** Its log since the start. */
  get log(): readonly LoggedLine[] {
    return this.#standardError
      .split("\n")
      .slice(0, -1) // the rest of the last line may come yet
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as LoggedLine);
  }

  token(claims: Readonly<Record<string, unknown>> = {}): string {
    return signToken(this.#keys, claims);
  }

  async login(claims?: Readonly<Record<string, unknown>>): Promise<RawClient> {
    const client = await RawClient.connect(this.url);
    const { error } = await client.authenticate(this.token(claims));
    if (error !== undefined) throw new Error(`authenticate failed: ${JSON.stringify(error)}`);
    return client;
  }

  /** What the process holds after its garbage is collected. */
  async memory(client: RawClient): Promise<Memory> {
    const { result, error } = await client.call("memory");
    if (result === undefined) throw new Error(JSON.stringify(error));
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isUp) return;
    this.#child.kill("SIGTERM");
    await once(this.#child, "exit");
  }
}

/** Somebody who behaves, and counts whether each call is answered, for as long as others do not. */
export class Bystander {
  readonly #client: RawClient;
  #isStopped = false;
  readonly #done: Promise<void>;
  asked = 0;
  answered = 0;

  constructor(client: RawClient) {
    this.#client = client;
    this.#done = this.#askOn();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
    await this.#client.close();
  }

  async #askOn(): Promise<void> {
    while (!this.#isStopped) {
      this.asked++;
      const { result } = await this.#client.call(this.asked % 2 === 0 ? "ping" : "subtract", [
        this.asked,
        0,
      ]);
      if (
        JSON.stringify(result) ===
        JSON.stringify(this.asked % 2 === 0 ? [this.asked, 0] : this.asked)
      )
        this.answered++;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
