/** `jotwire serve`: an application in production. */
import type { Command } from "commander";
import {
  createServer,
  type IssuerPort,
  jsonLogger,
  type Logger,
  type ProviderOptions,
  type ServerOptions,
  type Store,
} from "../../index.js";
import { createIssuer, fileStore, type Issuer } from "../../issuer/index.js";
import { loadApp, startApp } from "../app/app-module.js";
import { checkPair } from "../checks/certificate-checks.js";
import { CliError, failingAs } from "../cli-error.js";
import { freePort, knownPort, listen } from "../listening.js";
import { orRelease, takeStore } from "../settings/issuer-store.js";
import { claimStore, redisStoreOf } from "../settings/redis-place.js";
import {
  acceptedIssuer,
  checkIssuerOptions,
  embeddedIdentity,
  hazardsIn,
  metricsPlace,
  type ServeOptions,
  serverSettings,
  tlsOf,
  withServeOptions,
} from "../settings/serve-settings.js";
import { unknownVariables } from "../settings/settings.js";
import { type IssuerIdentity, StateFolder } from "../settings/state-folder.js";
import { stopOnSignals } from "../until-stopped.js";
import { ToldMetrics } from "../workers/worker-metrics.js";
import { isWorker, supervise } from "../workers/workers.js";

export function addServeCommand(program: Command): void {
  const command = program
    .command("serve <module>")
    .description(
      "serve the app that a module exports, in production; refuses to start with unsafe settings",
    );
  withServeOptions(command)
    .addHelpText(
      "after",
      `
SIGTERM and SIGINT begin a graceful shutdown; the exit code is 0 after it. A second signal ends the process at once (143, 130).

Examples:
  jotwire serve dist/app.js --issuer https://id.example.com --audience orders --host 0.0.0.0 \\
    --tls-cert cert.pem --tls-key key.pem --origin https://app.example.com
  jotwire serve dist/app.js --embedded --issuer https://api.example.com --trust-proxy loopback --origin none`,
    )
    .action(serve);
}

async function serve(module: string, options: ServeOptions, command: Command): Promise<void> {
  const { host, drain } = options;
  checkIssuerOptions(options);
  const logger = jsonLogger(options.logLevel);
  if (!isWorker) tellUnknownVariables(command, logger);
  const state = new StateFolder(options.state);
  process.env.JOTWIRE_STATE = state.path; // the application may keep data there, too
  const port = await knownPort(options.port, host);
  const identity = embeddedIdentity(options, port);
  const accepted = identity === undefined ? await acceptedIssuer(options) : undefined;
  const tls = await tlsOf(options);
  const hazards = await hazardsIn(options, state, identity);
  if (hazards.length > 0)
    throw new CliError("configuration", `refusing to start: ${hazards.join("; ")}`);
  if (tls !== undefined) await checkPair(tls);
  if (!isWorker) await freePort(port, host); // the workers share it
  if (options.workers > 1 && !isWorker) return superviseWorkers(options, port, logger);
  const shared = await redisStoreOf(options, logger);
  const embedded =
    identity === undefined ? undefined : await embeddedIssuer(identity, state, shared, logger);
  const { app, started } = await (embedded === undefined
    ? loadApp(module)
    : orRelease(embedded, loadApp(module)));
  const auth = (embedded ?? accepted) as IssuerPort | ProviderOptions; // one of the two
  const metrics = metricsPlace(options);
  const serverOptions: ServerOptions = {
    auth,
    logger,
    ...serverSettings(options),
    production: (process.env.NODE_ENV ?? "production") === "production",
    ...(metrics === undefined
      ? {}
      : { metrics: isWorker ? { registry: new ToldMetrics() } : metrics }),
    ...(shared === undefined ? {} : { store: shared }),
    ...(tls === undefined ? {} : { tls }),
  };
  const server = await failingAs("configuration", "", () => createServer(app, serverOptions));
  const { url, metricsPort } = await listen(server, port, host);
  const running = startApp({ started }, server, logger);
  stopOnSignals(
    async (time) => {
      await running.stop();
      await server.close({ drain: time });
      await embedded?.close();
      await shared?.close();
      logger.info({ event: "close" }, "stopped");
    },
    drain,
    logger,
  );
  await running.ready;
  logger.info(
    { event: "listen", url, pid: process.pid, metricsPort, issuer: auth.issuer },
    "serving",
  );
}

function tellUnknownVariables(command: Command, logger: Logger): void {
  const variables = unknownVariables(command.parent ?? command);
  if (variables.length > 0)
    logger.warn(
      { event: "settings.unknown", variables },
      "no option reads these variables; check their spelling",
    );
}

/** Refuses several workers without a Redis, by which they share revocations and events. */
async function superviseWorkers(
  options: ServeOptions,
  port: number,
  logger: Logger,
): Promise<void> {
  const { workers, redis, drain } = options;
  if (redis === undefined) {
    throw new CliError(
      "configuration",
      `${workers} workers need a shared store, and a state folder serves one process; give --redis redis://localhost:6379, or --workers 1`,
    );
  }
  const args = [...process.argv.slice(2), "--port", String(port)];
  await supervise({ count: workers, args, drain, metrics: metricsPlace(options) }, logger);
}

async function embeddedIssuer(
  identity: IssuerIdentity,
  state: StateFolder,
  shared: Store | undefined,
  logger: Logger,
): Promise<Issuer> {
  if (shared === undefined) await state.make();
  else await claimStore(shared, identity);
  const store = shared ?? fileStore(state.path);
  const made = await failingAs("configuration", "", () =>
    createIssuer({ ...identity, store, logger }),
  );
  await takeStore(made, shared === undefined ? state.path : "Redis");
  if (shared === undefined) await state.setIdentity(identity);
  if ((await made.users.list()).length === 0) {
    logger.warn(
      { event: "users.none", state: shared === undefined ? state.path : "Redis" },
      "no users yet; jotwire user add <name>",
    );
  }
  return made;
}
