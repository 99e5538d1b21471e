/** `jotwire serve`: an application in production. */
import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { createServer, jsonLogger, type Logger, type LogLevel, type ProviderOptions, type ServerOptions, type Store } from "../index.js";
import { createIssuer, fileStore, type Issuer } from "../issuer/index.js";
import { loadApp } from "./app-module.js";
import { CliError, failingAs } from "./cli-error.js";
import { orRelease, takeStore } from "./issuer-store.js";
import { freePort, isLoopback, knownPort, listen } from "./listening.js";
import {
  audienceOption,
  configOption,
  drainOption,
  insecureOption,
  logLevelOption,
  originOption,
  portOption,
  redisOption,
  redisPrefixOption,
  stateOption,
} from "./options.js";
import { claimStore, type RedisPlace, redisStoreOf } from "./redis-place.js";
import { hazardsOf } from "./serve-safety.js";
import { listOption, numberOption } from "./settings.js";
import { StateFolder } from "./state-folder.js";
import { stopOnSignals } from "./until-stopped.js";
import { isWorker, supervise, workerNumber, workersOption } from "./workers.js";

interface ServeOptions extends RedisPlace {
  readonly workers: number;
  readonly host: string;
  readonly port: number;
  readonly path?: string;
  readonly admin?: string;
  readonly metrics?: boolean;
  readonly metricsPort: number;
  readonly state: string;
  readonly issuer?: string;
  readonly audience?: string;
  readonly jwks?: string;
  readonly allowPrivateHosts?: boolean;
  readonly embedded?: boolean;
  readonly console?: boolean;
  readonly origin: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly trustProxy: readonly string[];
  readonly allowInsecure?: boolean;
  readonly drain: number;
  readonly logLevel: LogLevel;
}

export function addServeCommand(program: Command): void {
  program
    .command("serve <module>")
    .description("serve the app that a module exports, in production; refuses to start where that is not safe")
    .addOption(portOption())
    .addOption(new Option("--host <address>", "address to listen on").default("127.0.0.1"))
    .addOption(new Option("--path <path>", "path of the WebSocket (default: /rpc)"))
    .addOption(new Option("--admin <scope>", "callers with this scope may list, kick and revoke sessions (default: nobody)"))
    .addOption(new Option("--metrics", "serve /metrics for Prometheus, on loopback"))
    .addOption(numberOption("--metrics-port <port>", "where", 0, 65_535).default(9464))
    .addOption(new Option("--issuer <url>", "whose tokens are accepted; without --jwks its keys are found by OIDC discovery"))
    .addOption(audienceOption())
    .addOption(new Option("--jwks <url or file>", "the issuer's key set"))
    .addOption(new Option("--allow-private-hosts", "fetch the issuer's keys also from a private address"))
    .addOption(
      new Option("--embedded", "serve logins and tokens too, for the users in the state folder; --issuer is this server's own URL"),
    )
    .addOption(stateOption())
    .addOption(redisOption())
    .addOption(redisPrefixOption())
    .addOption(workersOption())
    .addOption(new Option("--console", "serve a page at /console to log in, call methods and watch a session"))
    .addOption(originOption())
    .addOption(new Option("--tls-cert <file>", "certificate, PEM"))
    .addOption(new Option("--tls-key <file>", "its key, PEM"))
    .addOption(listOption("--trust-proxy <address>", "proxy with TLS in front: address, range, or loopback"))
    .addOption(insecureOption("listen without TLS where others can reach it"))
    .addOption(drainOption())
    .addOption(logLevelOption())
    .addOption(configOption())
    .addHelpText(
      "after",
      `
SIGTERM and SIGINT stop it in order: exit code 0 when it has drained; a second signal ends it at once (143, 130).

Examples:
  jotwire serve dist/app.js --issuer https://id.example.com --audience orders --host 0.0.0.0 \\
    --tls-cert cert.pem --tls-key key.pem --origin https://app.example.com
  jotwire serve dist/app.js --embedded --issuer https://api.example.com --trust-proxy loopback --origin none`,
    )
    .action(serve);
}

async function serve(module: string, options: ServeOptions): Promise<void> {
  const { host, drain, allowInsecure = false, trustProxy } = options;
  if (options.embedded === true && options.jwks !== undefined) throw new CliError("usage", "either --embedded or --jwks");
  checkIssuerUrl(options);
  const logger = jsonLogger(options.logLevel);
  const state = new StateFolder(options.state);
  process.env.JOTWIRE_STATE = state.path; // where the application keeps its own data, too
  const port = await knownPort(options.port, host);
  const issuerUrl = options.embedded === true ? (options.issuer ?? ownUrl(options, port)) : undefined;
  const accepted = issuerUrl === undefined ? await acceptedIssuer(options) : undefined;
  const tls = await tlsOf(options);
  await refuseHazards(options, issuerUrl, await demoUserIn(state, issuerUrl), tls !== undefined);
  if (!isWorker) await freePort(port, host); // the workers share it
  if (options.workers > 1 && !isWorker) return superviseWorkers(options, port, logger);
  const shared = await redisStoreOf(options, logger);
  const embedded = issuerUrl === undefined ? undefined : await embeddedIssuer(issuerUrl, options, state, shared, logger);
  const { app, started } = await (embedded === undefined ? loadApp(module) : orRelease(embedded, loadApp(module)));
  const auth = embedded ?? accepted;
  if (auth === undefined) throw whoseTokens();
  const serverOptions: ServerOptions = {
    auth,
    logger,
    trustProxy,
    allowInsecure,
    console: options.console === true,
    production: (process.env.NODE_ENV ?? "production") === "production",
    ...(options.origin.length === 0 ? {} : { origins: options.origin.filter((origin) => origin !== "none") }),
    ...(options.path === undefined ? {} : { path: options.path }),
    ...(options.metrics === true ? { metrics: { port: metricsPortOf(options) } } : {}),
    ...(options.admin === undefined ? {} : { admin: options.admin }),
    ...(shared === undefined ? {} : { store: shared }),
    ...(tls === undefined ? {} : { tls }),
  };
  const server = await failingAs("configuration", "", () => createServer(app, serverOptions));
  const { url, metricsPort } = await listen(server, port, host);
  const stop = await started(server);
  stopOnSignals(
    async (time) => {
      await stop?.();
      await server.close({ drain: time });
      await embedded?.close();
      await shared?.close();
      logger.info({ event: "close" }, "stopped");
    },
    drain,
    logger,
  );
  logger.info({ event: "listen", url, pid: process.pid, metricsPort, issuer: auth.issuer }, "serving");
}

/** Refuses what would not work: workers that can't tell each other of revocations and events. */
function superviseWorkers({ workers, redis, drain }: ServeOptions, port: number, logger: Logger): void {
  if (redis === undefined) {
    throw new CliError(
      "configuration",
      `${workers} workers share nothing but a store, and the state folder is for one process: give --redis redis://localhost:6379, or --workers 1`,
    );
  }
  supervise(workers, [...process.argv.slice(2), "--port", String(port)], drain, logger);
}

/** Each worker has its own numbers, so each has a port of its own: the first the one that is named, the others those after it. */
function metricsPortOf({ metricsPort }: ServeOptions): number {
  return metricsPort === 0 ? 0 : metricsPort + workerNumber() - 1;
}

/** An issuer whose key set is given may have any name; otherwise it is where the keys, or the logins, are found. */
function checkIssuerUrl({ issuer, jwks }: ServeOptions): void {
  if (issuer === undefined || jwks !== undefined || (URL.canParse(issuer) && /^https?:\/\//i.test(issuer))) return;
  throw new CliError("usage", `--issuer must be a URL such as https://id.example.com, not ${JSON.stringify(issuer)}`);
}

function whoseTokens(): CliError {
  return new CliError("usage", "say whose tokens are accepted: --issuer <url> and --audience <name>, or --embedded");
}

async function acceptedIssuer({ issuer, audience, jwks, allowPrivateHosts = false }: ServeOptions): Promise<ProviderOptions> {
  if (issuer === undefined) throw whoseTokens();
  if (audience === undefined)
    throw new CliError("usage", "say whom the tokens are for: --audience <name>, as it stands in their aud claim");
  return { issuer, audience, allowPrivateHosts, ...(jwks === undefined ? {} : { jwks: await keySet(jwks) }) };
}

async function keySet(jwks: string): Promise<NonNullable<ProviderOptions["jwks"]>> {
  if (/^https?:\/\//.test(jwks)) return jwks;
  return failingAs("configuration", `the key set in ${jwks} can't be read: `, async () => JSON.parse(await readFile(jwks, "utf8")));
}

/** Where clients reach the server, if that can be known: only on this machine. */
function ownUrl({ host, tlsCert }: ServeOptions, port: number): string {
  if (isLoopback(host)) return `${tlsCert === undefined ? "http" : "https"}://localhost:${port}`;
  throw new CliError("usage", "--embedded needs the URL at which clients reach this server: --issuer https://api.example.com");
}

async function embeddedIssuer(
  issuer: string,
  options: ServeOptions,
  state: StateFolder,
  shared: Store | undefined,
  logger: Logger,
): Promise<Issuer> {
  const { audience = "jotwire" } = options;
  if (shared === undefined) await state.make();
  else await claimStore(shared, { issuer, audience });
  const store = shared ?? fileStore(state.path);
  const made = await failingAs("configuration", "", () => createIssuer({ issuer, audience, store, logger }));
  await takeStore(made, shared === undefined ? state.path : "Redis");
  if (shared === undefined) await state.setIdentity({ issuer, audience });
  if ((await made.users.list()).length === 0) {
    logger.warn({ state: shared === undefined ? state.path : "Redis" }, "there are no users: jotwire user add <name>");
  }
  return made;
}

async function tlsOf({ tlsCert, tlsKey }: ServeOptions): Promise<{ readonly cert: Buffer; readonly key: Buffer } | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) throw new CliError("usage", "--tls-cert and --tls-key go together");
  return failingAs("configuration", "the certificate can't be read: ", async () => ({
    cert: await readFile(tlsCert),
    key: await readFile(tlsKey),
  }));
}

/** The user of `dev`, if this server would let it in. */
function demoUserIn(state: StateFolder, issuerUrl: string | undefined): Promise<string | undefined> {
  return issuerUrl === undefined ? Promise.resolve(undefined) : state.demoUser();
}

async function refuseHazards(options: ServeOptions, embeddedIssuerUrl: string | undefined, demoUser: string | undefined, hasTls: boolean) {
  const { host, trustProxy, tlsKey, allowInsecure = false, origin } = options;
  const hazards = await hazardsOf({
    ...{ host, trustProxy, hasTls, tlsKey, allowInsecure, origin, demoUser },
    embeddedIssuer: embeddedIssuerUrl,
    environment: process.env.NODE_ENV,
  });
  if (hazards.length > 0) throw new CliError("configuration", `refusing to start: ${hazards.join("; ")}`);
}
