import { Option } from "commander";
import { listOption, numberOption } from "./settings.js";

/** The options that several commands have. */

export const portOption = () =>
  numberOption("--port <port>", "port to listen on; 0: any free one", 0, 65_535).default(8080);

export const stateOption = () =>
  new Option("--state <folder>", "where users, keys and the application's data are kept").default(
    ".jotwire",
  );

export const redisOption = () =>
  new Option(
    "--redis <url>",
    "where nodes and workers keep what they share: redis://…, rediss://…, unix:…; better by JOTWIRE_REDIS if it has a password",
  );

export const redisPrefixOption = () =>
  new Option("--redis-prefix <name>", "begins every key in Redis").default("jotwire");

export const configOption = () => new Option("--config <file>", "JSON file with settings");

export const audienceOption = () => new Option("--audience <name>", "whom the tokens are for");

export const originOption = () =>
  listOption("--origin <origin>", "web page that may connect, like https://app.example.com");

export const drainOption = () =>
  numberOption(
    "--drain <ms>",
    "how long clients may take to leave, with what they have in flight, when it is told to stop",
    0,
    600_000,
  ).default(10_000);

export const logLevelOption = () =>
  new Option("--log-level <level>", "least level that is logged")
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
    "access token; better by JOTWIRE_TOKEN, since others can see arguments",
  );
