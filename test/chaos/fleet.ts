import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../helpers/eventually.js";
import { freePort } from "../helpers/redis/redis-server.js";
import { readLedgers } from "./execution-ledger.js";
import { NodeProcess, type ProcessOptions } from "./node-process.js";
import type { NodeSettings } from "./node-settings.js";

export interface FleetOptions
  extends Partial<Pick<NodeSettings, "tokenTtl" | "drain" | "reuseWindow">> {
  readonly nodes: number;
  readonly redisUrl: string;
}

/** Several nodes on one Redis. */
export class Fleet implements AsyncDisposable {
  readonly nodes: NodeProcess[] = [];
  readonly #folder: string;
  readonly #options: FleetOptions;

  private constructor(folder: string, options: FleetOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(await mkdtemp(join(tmpdir(), "jotwire-chaos-")), options);
    try {
      await Promise.all(Array.from({ length: options.nodes }, () => fleet.add()));
      await fleet.addUsers();
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** One more node. */
  async add(
    process: ProcessOptions = {},
    settings: Partial<NodeSettings> = {},
  ): Promise<NodeProcess> {
    const { redisUrl, tokenTtl = 10_000, drain = 10_000, reuseWindow } = this.#options;
    const port = await freePort();
    const ledger = join(this.#folder, `${port}.log`);
    const more = reuseWindow === undefined ? {} : { reuseWindow };
    const node = await NodeProcess.start(
      { port, store: { redis: redisUrl }, ledger, tokenTtl, drain, ...more, ...settings },
      process,
    );
    this.nodes.push(node);
    return node;
  }

  /** Tries until the store takes them. */
  async addUsers(): Promise<void> {
    await eventually(() => this.any().addUsers(), 10_000);
  }

  /** Any of the nodes, whether or not it runs now. */
  any(): NodeProcess {
    const node = this.nodes[Math.floor(Math.random() * this.nodes.length)];
    if (node === undefined) throw new Error("a fleet without nodes");
    return node;
  }

  /** What they have executed. */
  executions(): Promise<readonly string[]> {
    return readLedgers(this.nodes.map(({ settings }) => settings.ledger));
  }

  get complaints(): readonly string[] {
    return this.nodes.flatMap(({ complaints }) => complaints);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await rm(this.#folder, { recursive: true, force: true });
  }
}
