/**
 * `jotwire dev`: an application on this machine, with its own authentication server and a first
 * user.
 */
import { randomBytes } from "node:crypto";
import { type Command, Option } from "commander";
import { createServer, type LogLevel } from "../../index.js";
import { createIssuer, fileStore, type Issuer } from "../../issuer/index.js";
import type { Logger } from "../../runtime/logger.js";
import { scopesOf } from "../../server/scope-advice.js";
import { type AppModule, loadApp, startApp } from "../app/app-module.js";
import { demoApp } from "../app/demo-app.js";
import { PublicFiles } from "../app/public-files.js";
import { failingAs } from "../cli-error.js";
import { freePort, listen, listenBeside } from "../listening.js";
import { printLine } from "../output.js";
import { prettyLogger } from "../pretty-logger.js";
import { orRelease, takeStore } from "../settings/issuer-store.js";
import {
  audienceOption,
  configOption,
  drainOption,
  logLevelOption,
  originOption,
  portOption,
  stateOption,
} from "../settings/options.js";
import { numberOption } from "../settings/settings.js";
import { StateFolder } from "../settings/state-folder.js";
import { stopOnSignals } from "../until-stopped.js";

interface DevOptions {
  readonly port: number;
  readonly state: string;
  readonly audience?: string;
  readonly public?: string;
  readonly tokenTtl?: number;
  readonly origin: readonly string[];
  readonly drain: number;
  readonly logLevel: LogLevel;
}

const host = "127.0.0.1"; // this machine only: the password is on the screen
const firstUser = "ada";
const adminScope = "admin";

/**
 * The pages that programs of this machine serve, such as Vite's. Not by the Host header, which a
 * page can choose: another site's name may lead to this machine (DNS rebinding), but its pages'
 * origin is still that name, and browsers let nobody choose where localhost leads.
 */
const localOrigins = ["localhost", "127.0.0.1", "[::1]"].flatMap((name) => [
  `http://${name}:*`,
  `https://${name}:*`,
]);

export function addDevCommand(program: Command): void {
  program
    .command("dev [module]")
    .description(
      "serve the app that a module exports, on this machine only, with a first user; without a module, a small demo",
    )
    .addOption(portOption())
    .addOption(stateOption())
    .addOption(audienceOption())
    .addOption(
      numberOption(
        "--token-ttl <ms>",
        "how long access tokens are good (default: 300000)",
        5_000,
        900_000,
      ),
    )
    .addOption(originOption())
    .addOption(
      new Option(
        "--public <folder>",
        "also serve the files of a folder, and the SDK for pages at /jotwire.min.js and /jotwire-session.min.js",
      ),
    )
    .addOption(drainOption())
    .addOption(logLevelOption())
    .addOption(configOption())
    .addHelpText(
      "after",
      `
Examples:
  jotwire dev
  jotwire dev dist/app.js --port 0 --public web
  node --import tsx node_modules/.bin/jotwire dev src/app.ts`,
    )
    .action(dev);
}

async function dev(module: string | undefined, options: DevOptions): Promise<void> {
  const { audience = "jotwire", tokenTtl, drain } = options;
  const state = new StateFolder(options.state);
  await state.make();
  process.env.JOTWIRE_STATE = state.path; // where the application keeps its own data, too
  const port = await freePort(options.port, host);
  const base = `http://localhost:${port}`;
  const { logger, hold, release } = holdingLogger(prettyLogger(options.logLevel));
  const issuer = await failingAs("configuration", "", () =>
    createIssuer({
      issuer: base,
      audience,
      store: fileStore(state.path),
      logger,
      cookie: true, // a reload keeps the login of a page
      ...(tokenTtl === undefined ? {} : { accessTokenTtl: tokenTtl }),
    }),
  );
  await takeStore(issuer, state.path);
  const own: AppModule = { app: demoApp, started: () => undefined };
  const { app, started } = module === undefined ? own : await orRelease(issuer, loadApp(module));
  const origins = [...localOrigins, ...options.origin];
  const files = await orRelease(issuer, filesOf(options.public, origins));
  const server = await failingAs("configuration", module === undefined ? "" : `${module}: `, () =>
    createServer(app, {
      auth: issuer,
      origins,
      logger,
      production: false,
      admin: adminScope,
      console: true,
    }),
  );
  const closeFiles =
    files === undefined
      ? await listen(server, port, host).then(() => () => {})
      : await listenBeside(server, files, port, host);
  const running = startApp({ started }, server, logger);
  stopOnSignals(
    async (time) => {
      await running.stop();
      await server.close({ drain: time });
      closeFiles();
      await issuer.close();
    },
    drain,
    logger,
  );
  await running.ready;
  await state.setIdentity({ issuer: base, audience });
  hold(); // nothing comes before the welcome
  const password = await addFirstUser(issuer, state, [...new Set([...scopesOf(app), adminScope])]);
  const stateFlag = options.state === ".jotwire" ? "" : ` --state ${options.state}`;
  printWelcome({
    module,
    hasFiles: files !== undefined,
    base,
    port,
    state,
    stateFlag,
    password,
    users: await issuer.users.list(),
  });
  release();
}

async function filesOf(
  folder: string | undefined,
  origins: readonly string[],
): Promise<PublicFiles | undefined> {
  if (folder === undefined) return undefined;
  return failingAs("configuration", "", () => PublicFiles.of(folder, origins));
}

/** A logger whose lines wait between `hold` and `release`. */
function holdingLogger(logger: Logger): {
  readonly logger: Logger;
  hold(): void;
  release(): void;
} {
  let held: (() => void)[] | undefined;
  const write =
    (level: "debug" | "info" | "warn" | "error") => (fields: object, message: string) => {
      const line = () => logger[level](fields, message);
      if (held === undefined) line();
      else held.push(line);
    };
  return {
    logger: {
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
    },
    hold: () => {
      held = [];
    },
    release: () => {
      const lines = held ?? [];
      held = undefined;
      for (const line of lines) line();
    },
  };
}

/** The password, when this is the folder's first start; afterwards undefined. */
async function addFirstUser(
  issuer: Issuer,
  state: StateFolder,
  scopes: readonly string[],
): Promise<string | undefined> {
  if ((await issuer.users.list()).length > 0) return undefined;
  const password = randomBytes(12).toString("base64url");
  await issuer.users.add(firstUser, password, { scopes });
  await state.setDemoUser(firstUser);
  return password;
}

interface Welcome {
  readonly module: string | undefined;
  readonly hasFiles: boolean;
  readonly base: string;
  readonly port: number;
  readonly state: StateFolder;
  /** What other commands need to find the folder. */
  readonly stateFlag: string;
  readonly password: string | undefined;
  readonly users: Awaited<ReturnType<Issuer["users"]["list"]>>;
}

function printWelcome({
  module,
  hasFiles,
  base,
  port,
  state,
  stateFlag,
  password,
  users,
}: Welcome): void {
  const user = users.find(({ username }) => username === firstUser) ?? users[0];
  const name = user?.username ?? firstUser;
  const url = `ws://localhost:${port}/rpc`;
  const credentials = JSON.stringify({ username: name, password: password ?? "<password>" });
  const authenticate = JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "authenticate",
    params: { token: "<access_token>" },
  });
  printLine(`jotwire serves ${module ?? "a small demo"}

${hasFiles ? `  Page       ${base}/\n` : ""}  Console    ${base}/console
  WebSocket  ${url}
  Login      ${base}/login
  State      ${state.path}
  User       ${name}
  Password   ${password === undefined ? `was shown at the first start; another: npx jotwire user passwd ${name}${stateFlag}` : `${password}   (shown this once)`}
  Scopes     ${user?.scopes.join(" ") || "none"}

Try it in a browser, at ${base}/console; or in another terminal:

  curl -s ${base}/login -H 'Content-Type: application/json' -d '${credentials}'
  npx wscat -c ${url}

and then, in wscat, with the access_token that curl showed:

  ${authenticate}
  ${JSON.stringify({ jsonrpc: "2.0", id: 2, method: "rpc.discover" })}
`);
}
