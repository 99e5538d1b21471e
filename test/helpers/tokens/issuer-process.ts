/**
 * An issuer in a process of its own, to be killed. Both sides of it: forked, this file loads, waits
 * for a folder, serves from it and tells its port.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { createIssuer, fileStore } from "../../../src/issuer/index.js";
import { CheapHasher } from "./cheap-hasher.js";

const issuerUrl = "http://localhost";
const program = fileURLToPath(import.meta.url);

/** An issuer with a cheap hash on a folder of files, here or in the child. */
export function issuerOn(folder: string) {
  // a busy machine may take longer than 10 s from a kill to the next refresh
  const reuseWindow = 60_000;
  return createIssuer({
    issuer: issuerUrl,
    audience: "kill",
    store: fileStore(folder),
    testing: { passwordHasher: new CheapHasher() },
    reuseWindow,
  });
}

export class IssuerProcess {
  readonly #child: ChildProcess;

  /** Loads its modules, which takes longest, and waits. */
  constructor() {
    this.#child = fork(program, { execArgv: ["--import", "tsx", "--unhandled-rejections=strict"] });
  }

  /** Serves from a folder. Returns its URL. */
  async serve(folder: string): Promise<string> {
    this.#child.send(folder);
    const [port] = await Promise.race([once(this.#child, "message"), this.#died()]);
    return `http://127.0.0.1:${port}`;
  }

  async kill(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  async #died(): Promise<never> {
    const [code] = await once(this.#child, "exit");
    throw new Error(`the issuer ended by itself with ${code}`);
  }
}

if (process.argv[1] === program) {
  process.once("message", async (folder: string) => {
    const { handler } = await issuerOn(folder);
    const server = createServer(handler).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    process.send?.(typeof address === "object" ? address?.port : undefined);
  });
}
