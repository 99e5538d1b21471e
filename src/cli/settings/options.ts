import { type Command, Option } from "commander";
import { listOption, numberOption } from "./settings.js";

/** Options that several commands share. */

export const portOption = () =>
  numberOption("--port <port>", "port to listen on; 0 for any free port", 0, 65_535).default(8080);

export const stateOption = () =>
  new Option("--state <folder>", "folder for users, keys and the application's data").default(
    ".jotwire",
  );

export const redisOption = () =>
  new Option(
    "--redis <url>",
    "Redis that nodes and workers share: redis://…, rediss://…, unix:…; use JOTWIRE_REDIS if the URL has a password",
  );

export const redisPrefixOption = () =>
  new Option("--redis-prefix <name>", "prefix of every key in Redis").default("jotwire");

export const configOption = () => new Option("--config <file>", "JSON file with settings");

export const audienceOption = () => new Option("--audience <name>", "audience of the tokens (aud)");

export const originOption = () =>
  listOption("--origin <origin>", "origin whose pages may connect, like https://app.example.com");

export const drainOption = () =>
  numberOption(
    "--drain <ms>",
    "milliseconds for a graceful shutdown: calls in flight finish, and clients disconnect",
    0,
    600_000,
  ).default(10_000);

export const logLevelOption = () =>
  new Option("--log-level <level>", "lowest level to log")
    .choices(["debug", "info", "warn", "error"])
    .default("info");

export const insecureOption = (what: string) => new Option("--allow-insecure", what);

export const passwordStdinOption = () =>
  new Option("--password-stdin", "read the password from standard input, also on a terminal");

export const jsonOption = (what: string) => new Option("--json", what);

export const scopeOption = () => listOption("--scope <scope>", "scope to grant");

export const tokenOption = () =>
  new Option(
    "--token <jwt>",
    "access token; use JOTWIRE_TOKEN, since other users of the machine can see arguments",
  );

/** The options of a command that connects to a running server. */
export function addRemoteOptions(command: Command): Command {
  return command
    .addOption(tokenOption())
    .addOption(
      new Option(
        "--token-file <file>",
        "file with the access token; read again whenever another one is needed",
      ),
    )
    .addOption(
      new Option(
        "--user <name>",
        "log in as this user at the same server; the password is asked for, or read from standard input",
      ),
    )
    .addOption(passwordStdinOption())
    .addOption(
      numberOption("--timeout <ms>", "for connection and call together", 1, 3_600_000).default(
        30_000,
      ),
    )
    .addOption(insecureOption("send secrets also by plain ws to another machine"))
    .addOption(configOption());
}
