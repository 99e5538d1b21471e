import { type ChildProcess, spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const projectFolder = join(dirname(fileURLToPath(import.meta.url)), "../../..");
export const smallApp = join(projectFolder, "test/fixtures/small-app.mjs");

/** The built command line. */
export const mainFile = join(projectFolder, "dist/src/cli/main.js");
const tsx = import.meta.resolve("tsx");

export interface CliOptions {
  /** Standard input. Default: empty. */
  readonly input?: string;
  /** Lets {@link RunningCli.type} add to the input. Default: false. */
  readonly keepsInput?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Loads TypeScript modules. Default: false. */
  readonly typescript?: boolean;
  /** Default: Node with the built command line. */
  readonly command?: readonly string[];
  readonly cwd?: string;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command of the built command line to its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<Finished> {
  const command = new RunningCli(args, options);
  const code = await command.exited;
  return { code, stdout: command.stdout, stderr: command.stderr };
}

/** A command that runs on: a server. `await using` kills it. */
export class RunningCli implements AsyncDisposable {
  stdout = "";
  stderr = "";
  /** The exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
  readonly #process: ChildProcess;
  readonly #watchers = new Set<() => void>();

  constructor(args: readonly string[], options: CliOptions = {}) {
    const { input = "", keepsInput = false, env = {}, typescript = false, cwd } = options;
    const {
      command: [program = "", ...first] = [
        process.execPath,
        ...(typescript ? ["--import", tsx] : []),
        mainFile,
      ],
    } = options;
    const child = spawn(program, [...first, ...args], {
      env: { ...cleanEnvironment(), ...env },
      stdio: "pipe",
      cwd,
    });
    child.stdout.on("data", (chunk: Buffer) => this.#grow("stdout", chunk));
    child.stderr.on("data", (chunk: Buffer) => this.#grow("stderr", chunk));
    child.stdin.on("error", () => {}); // it may end without having read
    if (keepsInput) child.stdin.write(input);
    else child.stdin.end(input);
    this.#process = child;
    this.exited = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        resolve(code);
        this.#look();
      });
    });
  }

  /**
   * The first group of the first match in what is printed, as soon as it is there. Rejects when the
   * command ends without.
   */
  async printed(pattern: RegExp): Promise<string> {
    let hasEnded = false;
    void this.exited.finally(() => {
      hasEnded = true;
    });
    return new Promise((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
        if (match === null && !hasEnded && this.#process.exitCode === null) return;
        this.#watchers.delete(look);
        if (match === null)
          reject(
            new Error(`it ended without printing ${String(pattern)}: ${this.stdout}${this.stderr}`),
          );
        else resolve(match[1] ?? match[0]);
      };
      this.#watchers.add(look);
      look();
    });
  }

  type(text: string): void {
    this.#process.stdin?.write(text);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.exited;
  }

  #grow(stream: "stdout" | "stderr", chunk: Buffer): void {
    this[stream] += chunk.toString();
    this.#look();
  }

  #look(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** Without what would steer the command from outside of the test. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith("JOTWIRE_") && name !== "NODE_ENV",
    ),
  );
}

/** A server of `jotwire dev`, and how to reach it. */
export interface DevServer extends AsyncDisposable {
  readonly cli: RunningCli;
  /** `http://localhost:…` */
  readonly base: string;
  /** URL of the WebSocket. */
  readonly url: string;
}

export async function startDev(
  state: string,
  {
    module = smallApp,
    typescript = false,
    flags = [],
  }: { module?: string; typescript?: boolean; flags?: readonly string[] } = {},
): Promise<DevServer> {
  const cli = new RunningCli(["dev", module, "--port", "0", "--state", state, ...flags], {
    typescript,
  });
  const base = await cli.printed(/Login +(http:.*)\/login\n/);
  await cli.printed(/rpc\.discover/); // the welcome's last line
  return {
    cli,
    base,
    url: `${base.replace("http", "ws")}/rpc`,
    [Symbol.asyncDispose]: () => cli[Symbol.asyncDispose](),
  };
}

/** The password that the first start has shown. */
export function shownPassword({ cli }: DevServer): string {
  const password = /Password +(\S+) +\(shown this once\)/.exec(cli.stdout)?.[1];
  if (password === undefined) throw new Error(`no password was shown: ${cli.stdout}`);
  return password;
}
