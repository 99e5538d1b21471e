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
    | "framesBehindLogin"
    | "rightLogins"
    | "foreignForms"
    | "refusedLogins"
    | "refreshChain"
    | "revokeChain";
  readonly url: string;
  /** For those who must be authenticated; of `expiredTokens`, one that has expired. */
  readonly token: string;
  readonly connections: number;
  /** Addresses that `refusedLogins` come from: 127.0.1.1 and so on. Default: 1. */
  readonly addresses?: number;
  /** A user of the issuer, for attacks on that. */
  readonly account?: { readonly username: string; readonly password: string };
}

/** What a hostile peer has sent, or was answered, by kind: how often. */
export type AttackCounts = Readonly<Record<string, number>>;

/** A hostile peer at work, in a process of its own. */
export class HostilePeer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #done: Promise<unknown>;
  #hear: (counts: AttackCounts) => void = () => {};

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#done = new Promise((resolve) =>
      child.on("message", (message) => message === "done" && resolve(message)),
    );
    child.on("message", (message) => {
      if (typeof message === "object") this.#hear(message as AttackCounts);
    });
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

  async counts(): Promise<AttackCounts> {
    const told = new Promise<AttackCounts>((resolve) => {
      this.#hear = resolve;
    });
    await new Promise<void>((resolve, reject) =>
      this.#child.send("count", (error) => (error === null ? resolve() : reject(error))),
    );
    return told;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}
