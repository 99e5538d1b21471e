import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { CliError, codeOf, exitCodes, messageOf } from "./cli-error.js";
import { addCallCommand } from "./commands/call-command.js";
import { addCheckCommand } from "./commands/check-command.js";
import { addClientCommand } from "./commands/client-command.js";
import { addDevCommand } from "./commands/dev-command.js";
import { addReplCommand } from "./commands/repl-command.js";
import { addServeCommand } from "./commands/serve-command.js";
import { addSessionsCommand } from "./commands/sessions-command.js";
import { addTokenCommand } from "./commands/token-command.js";
import { addUserCommand } from "./commands/user-command.js";
import { addWatchCommand } from "./commands/watch-command.js";
import { printError } from "./output.js";
import { applySettings } from "./settings/settings.js";

const epilogue = `
Settings: a flag wins over the environment (JOTWIRE_PORT for --port, JOTWIRE_TLS_CERT for --tls-cert, lists with commas),
which wins over the JSON file that --config or JOTWIRE_CONFIG names: {"port": 8080, "tlsCert": "cert.pem", "origin": ["https://…"]}.

Exit codes:
  0  done
  1  unexpected error
  2  wrong usage
  3  wrong or unsafe configuration
  4  can't connect, can't listen, no answer in time
  5  authentication refused
  6  the call was answered with an error`;

/**
 * Runs one command line, without node and script. Resolves to the exit code; a server that was
 * started runs on.
 */
export async function run(args: readonly string[]): Promise<number> {
  const program = createProgram();
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCodes.ok;
  } catch (error) {
    return report(error, commandOf(program, args));
  }
}

function createProgram(): Command {
  const program = new Command("jotwire")
    .description("JSON-RPC 2.0 over WebSockets where the session is a JWT")
    .version(packageVersion(), "--version", "print the version")
    .exitOverride()
    .configureOutput({ outputError: () => {} }) // `report` tells it
    .addHelpText("afterAll", epilogue);
  program.hook("preAction", (_program, action) => applySettings(action, program));
  addDevCommand(program);
  addServeCommand(program);
  addUserCommand(program);
  addClientCommand(program);
  addTokenCommand(program);
  addCallCommand(program);
  addWatchCommand(program);
  addReplCommand(program);
  addSessionsCommand(program);
  addCheckCommand(program);
  return program;
}

/** By the package's own name: the sources and the build lie at different depths. */
function packageVersion(): string {
  const { version } = createRequire(import.meta.url)("jotwire/package.json") as {
    readonly version: string;
  };
  return version;
}

/** The command that these arguments name, as far as they do. */
function commandOf(command: Command, [name, ...rest]: readonly string[]): Command {
  const found = command.commands.find((candidate) => candidate.name() === name);
  return found === undefined ? command : commandOf(found, rest);
}

/** Tells what went wrong, and which exit code says so. */
function report(error: unknown, command: Command): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return exitCodes.ok;
    if (error.code !== "commander.help")
      // help was shown
      printError(`${error.message.replace(/^error: /, "")}${usageAdvice(error, command)}`);
    return exitCodes.usage;
  }
  if (error instanceof CliError) {
    printError(error.message);
    return exitCodes[error.kind];
  }
  const name = codeOf(error) ?? (error instanceof Error ? error.name : "error");
  printError(`unexpected ${name}: ${messageOf(error)}`);
  return exitCodes.unexpected;
}

/** An example value of every argument that may not be left out. */
const sampleArguments: Readonly<Record<string, string>> = {
  module: "dist/app.js",
  name: "bob",
  id: "billing",
  url: "ws://localhost:8080",
  method: "stock.list",
  topic: "prices.watch",
};

function usageAdvice({ code }: CommanderError, command: Command): string {
  const words = wordsOf(command);
  if (code !== "commander.missingArgument") return `; see ${words} --help`;
  const samples = command.registeredArguments
    .filter(({ required }) => required)
    .map((argument) => sampleArguments[argument.name()]);
  return `, such as: ${[words, ...samples].join(" ")}; see ${words} --help`;
}

/** `jotwire user add` */
function wordsOf(command: Command): string {
  return command.parent === null ? command.name() : `${wordsOf(command.parent)} ${command.name()}`;
}
