import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);
/**
 * `ws` as it comes: without native helpers that only some peer's dependencies would bring along.
 */
const plainWs = { WS_NO_BUFFER_UTIL: "1", WS_NO_UTF_8_VALIDATE: "1" };

const patience = 10_000; // ms to end in order

/** A process that answers questions (see `answer.mjs`). */
export class Child {
  #file;
  #process;
  #waiting = new Map();
  #nextId = 1;
  #exited;

  /** `file` is relative to this folder; `nodeOptions` are put before it. */
  constructor(file, { nodeOptions = [], env = plainWs } = {}) {
    this.#file = file;
    this.#process = fork(fileURLToPath(new URL(file, root)), [], {
      execArgv: nodeOptions,
      env: { ...process.env, NODE_ENV: "production", ...env },
      stdio: [
        "ignore",
        "ignore",
        process.env.BENCH_LOG === undefined ? "ignore" : "inherit",
        "ipc",
      ],
    });
    this.#process.on("message", ({ id, result, error }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(result);
      else reject(new Error(`${file}: ${error}`));
    });
    this.#exited = new Promise((resolve) => {
      this.#process.once("exit", (code, signal) => {
        for (const { reject } of this.#waiting.values())
          reject(new Error(`${file} ended: ${signal ?? code}`));
        resolve();
      });
    });
  }

  get pid() {
    return this.#process.pid;
  }

  /** Rejects when the process fails to answer, or has ended. */
  ask(question, details = {}) {
    if (!this.#process.connected) return Promise.reject(new Error(`${this.#file} has ended`));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.send({ id, question, details });
    });
  }

  /** Ends it in order, so that a profile is written; by force when it does not. */
  async stop() {
    if (this.#process.connected) this.#process.disconnect();
    const killer = setTimeout(() => this.#process.kill("SIGKILL"), patience);
    await this.#exited;
    clearTimeout(killer);
  }
}
