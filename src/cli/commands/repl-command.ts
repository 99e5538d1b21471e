/** `jotwire repl`: calls methods of a running server, line by line. */
import { createInterface, type Interface } from "node:readline";
import type { Command } from "commander";
import type { Client } from "../../../client/node.js";
import { CliError, exitCodes } from "../cli-error.js";
import { visible } from "../output.js";
import { type Remote, type RemoteOptions, withRemote } from "../remote/remote.js";
import { HistoryFile, mayHoldSecret } from "../repl/history-file.js";
import { Repl } from "../repl/repl.js";
import { ReplOutput } from "../repl/repl-output.js";
import { addRemoteOptions } from "../settings/options.js";
import { listOption } from "../settings/settings.js";

interface ReplOptions extends RemoteOptions {
  readonly on: readonly string[];
}

const tickMs = 1_000;

export function addReplCommand(program: Command): void {
  addRemoteOptions(
    program
      .command("repl <url>")
      .description("call methods and watch subscriptions line by line: method {params}"),
  )
    .addOption(listOption("--on <notification>", "print these notifications too"))
    .addHelpText(
      "after",
      `
Tab completes methods and params, .help lists them. The prompt tells who you are, and for how long
the session lasts; it is renewed by itself with --user and --token-file. Lines are kept in
~/.jotwire_history, except those that hold a token or a password, or begin with a space.
Without a terminal the lines of standard input are run one after the other; with --user the first
one is the password. The exit code is that of the first line that failed.

Examples:
  jotwire repl ws://localhost:8080 --user ada
  echo 'stock.list' | jotwire repl ws://localhost:8080`,
    )
    .action(repl);
}

async function repl(url: string, options: ReplOptions): Promise<void> {
  let skew = 0; // ms that the server's clock is ahead of this machine's
  const before = (client: Client) => {
    client.on("clockSkew", (event) => {
      skew = event.skew;
    });
  };
  if (process.stdin.isTTY && process.stdout.isTTY)
    return withRemote(
      url,
      options,
      (client, remote) => talk(client, remote, options, () => skew),
      before,
    );
  const input = createInterface({ input: process.stdin });
  const lines = input[Symbol.asyncIterator]();
  const readPassword = async () => {
    const { value, done } = await lines.next();
    if (done !== true && value !== "") return value;
    throw new CliError("usage", "no password in the first line of standard input");
  };
  try {
    await withRemote(
      url,
      { ...options, readPassword },
      (client, remote) => runLines(client, remote, options, input, lines),
      before,
    );
  } finally {
    input.close();
  }
}

/** Runs what a program wrote. */
async function runLines(
  client: Client,
  remote: Remote,
  { on }: ReplOptions,
  input: Interface,
  lines: AsyncIterable<string>,
): Promise<void> {
  const output = new ReplOutput(undefined, () => "");
  const dialog = new Repl({ client, remote, output });
  for (const name of on) client.on(name, (event) => output.event(name, event));
  await dialog.run(lines, () => input.close());
  if (dialog.failure !== undefined) process.exitCode = exitCodes[dialog.failure];
}

/** Talks to a person at a terminal. */
async function talk(
  client: Client,
  remote: Remote,
  { on }: ReplOptions,
  skew: () => number,
): Promise<void> {
  const file = new HistoryFile();
  const terminal = createInterface({
    input: process.stdin,
    output: process.stdout,
    history: file.read(),
    historySize: 1_000,
    removeHistoryDuplicates: true,
    completer: (line: string) => dialog.complete(line),
  });
  const lines = terminal[Symbol.asyncIterator](); // from now on: some type before they are asked
  const output = new ReplOutput(terminal, () => promptOf(client, skew()));
  terminal.on("close", () => output.end());
  const dialog = new Repl({ client, remote, output });
  for (const name of on) client.on(name, (event) => output.event(name, event));
  terminal.on("history", (history) => {
    const [line = ""] = history;
    if (mayHoldSecret(line)) history.shift();
    else file.add(line);
  });
  terminal.on("SIGINT", () => {
    if (dialog.cancel()) return;
    if (terminal.line === "") return terminal.close();
    terminal.write(null, { ctrl: true, name: "e" });
    terminal.write(null, { ctrl: true, name: "u" });
  });
  const timer = setInterval(() => output.tick(), tickMs);
  try {
    await dialog.run(lines, () => terminal.close());
  } finally {
    clearInterval(timer);
    terminal.close();
    process.stdout.write("\n");
  }
}

/** `ada 14 min> ` */
function promptOf({ state, session }: Client, skew: number): string {
  if (state !== "ready" && state !== "refreshing") return `(${state})> `;
  if (session === null) return "> ";
  const subject = visible(session.subject.slice(0, 40)).replaceAll("\n", " ");
  const seconds = Math.floor((session.expiresAt - Date.now() - skew) / 1_000);
  return `${subject} ${seconds <= 0 || state === "refreshing" ? "expired" : leftText(seconds)}> `;
}

function leftText(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3_600)} h`;
}
