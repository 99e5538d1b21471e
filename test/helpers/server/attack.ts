import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("./hostile-peer.ts", import.meta.url));

/** What a hostile peer does. */
export interface Attack {
  readonly name:
    | "replays"
    | "results"
    | "discoveries"
    | "escapes"
    | "large"
    | "madeUpTopics"
    | "expiredTokens"
    | "framesBehindLogin";
  readonly url: string;
  /** For those who must be authenticated; of `expiredTokens`, one that has expired. */
  readonly token: string;
  readonly connections: number;
}

/** A hostile peer at work, in a process of its own. */
export class HostilePeer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #done: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#done = new Promise((resolve) =>
      child.on("message", (message) => message === "done" && resolve(message)),
    );
  }

  /** Resolves when the attack is under way. */
  static async start(attack: Attack): Promise<HostilePeer> {
    const child = fork(program, {
      execArgv: ["--import", "tsx"],
      env: { ...process.env, HOSTILE_PEER: JSON.stringify(attack) },
    });
    const peer = new HostilePeer(child);
    await once(child, "message");
    return peer;
  }

  /** Resolves when all was sent. */
  async whenDone(): Promise<void> {
    await this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}
