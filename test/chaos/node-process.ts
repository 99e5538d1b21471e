import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { builtProgram } from "./built-program.js";
import type {
  NodeAnswer,
  NodeFigures,
  NodeQuestion,
  NodeQuestions,
  NodeSettings,
} from "./node-settings.js";

const startLimit = 60_000; // 1 min, on a machine that does much else
const answerLimit = 10_000; // 10 s
const endLimit = 40_000; // 40 s: the drain, and to end by itself

export interface ProcessOptions {
  /** More variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** `ulimit -n`. */
  readonly descriptors?: number;
}

interface Waiter {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

/** A node in a process of its own, on a port that stays over its restarts. */
export class NodeProcess implements AsyncDisposable {
  readonly settings: NodeSettings;
  readonly #options: ProcessOptions;
  readonly #waiting = new Map<number, Waiter>();
  #child: ChildProcess | undefined;
  #isUp = false;
  #asked = 0;
  #complaints = "";

  private constructor(settings: NodeSettings, options: ProcessOptions) {
    this.settings = settings;
    this.#options = options;
  }

  static async start(settings: NodeSettings, options: ProcessOptions = {}): Promise<NodeProcess> {
    const node = new NodeProcess(settings, options);
    await node.restart();
    return node;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.settings.port}/rpc`;
  }

  /** Does it listen? */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Lines on its standard error: faults of the server. */
  get complaints(): readonly string[] {
    return this.#complaints.split("\n").filter((line) => line !== "");
  }

  /** Starts it after its end. Resolves when it listens. */
  async restart(): Promise<void> {
    const { env, descriptors } = this.#options;
    const command = [
      process.execPath,
      "--unhandled-rejections=strict",
      "--expose-gc",
      await builtProgram(),
    ];
    const limited =
      descriptors === undefined
        ? command
        : ["bash", "-c", `ulimit -n ${descriptors}; exec "$@"`, "node", ...command];
    const [file = "", ...args] = limited;
    const child = spawn(file, args, {
      env: { ...process.env, ...env, JOTWIRE_NODE: JSON.stringify(this.settings) },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child = child;
    child.stderr?.on("data", (chunk) => {
      this.#complaints += String(chunk);
    });
    child.once("exit", () => this.#ended(child));
    const late = AbortSignal.timeout(startLimit);
    const [first] = await Promise.race([
      once(child, "message", { signal: late }),
      once(child, "exit", { signal: late }),
    ]);
    if (typeof first !== "string") throw new Error(`a node did not start: ${this.#complaints}`);
    child.on("message", (answer) => this.#answered(answer as NodeAnswer));
    this.#isUp = true;
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  /**
   * SIGTERM: it drains, and ends by itself. Returns its exit code; rejects when it had to be
   * killed.
   */
  async stop(): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) throw new Error("it does not run");
    child.kill("SIGTERM");
    try {
      const [code] = await once(child, "exit", { signal: AbortSignal.timeout(endLimit) });
      return code;
    } catch (error) {
      await this.kill();
      throw new Error(`a node did not end by itself within ${endLimit} ms of SIGTERM`, {
        cause: error,
      });
    }
  }

  figures(): Promise<NodeFigures> {
    return this.#ask("figures", null);
  }

  /** Resolves when the event is published; after a rejection that is not known. */
  publish(n: number): Promise<null> {
    return this.#ask("publish", n);
  }

  addUsers(): Promise<null> {
    return this.#ask("addUsers", null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #ask<Name extends keyof NodeQuestions>(
    name: Name,
    asks: NodeQuestions[Name]["asks"],
  ): Promise<NodeQuestions[Name]["answers"]> {
    const child = this.#child;
    const id = this.#asked++;
    return new Promise((resolve, reject) => {
      if (child === undefined || !this.#isUp || !child.connected)
        return reject(new Error("the node does not run"));
      const timer = setTimeout(
        () => this.#settle(id)?.reject(new Error(`no answer to ${name}`)),
        answerLimit,
      );
      this.#waiting.set(id, {
        resolve: (answer) => {
          clearTimeout(timer);
          resolve(answer);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      child.send({ id, name, asks } satisfies NodeQuestion, (error) => {
        if (error) this.#settle(id)?.reject(error);
      });
    });
  }

  #answered({ id, answers, error }: NodeAnswer): void {
    const waiter = this.#settle(id);
    if (error === undefined) waiter?.resolve(answers as never);
    else waiter?.reject(new Error(error));
  }

  #settle(id: number): Waiter | undefined {
    const waiter = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiter;
  }

  #ended(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#isUp = false;
    for (const id of [...this.#waiting.keys()])
      this.#settle(id)?.reject(new Error("the node has ended"));
  }
}
