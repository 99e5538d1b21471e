/** The settings of `serve`, which `check` reads too. */
import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import type { LogLevel, ProviderOptions, ServerOptions } from "../../index.js";
import { isLoopback } from "../../runtime/ip-address.js";
import { hazardsOf } from "../checks/serve-safety.js";
import { CliError, failingAs } from "../cli-error.js";
import { type MetricsPlace, workersOption } from "../workers/workers.js";
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
import type { RedisPlace } from "./redis-place.js";
import { listOption, numberOption } from "./settings.js";
import type { IssuerIdentity, StateFolder } from "./state-folder.js";

const defaultAudience = "jotwire"; // of the embedded issuer

export interface ServeOptions extends RedisPlace {
  readonly workers: number;
  readonly host: string;
  readonly port: number;
  readonly path?: string;
  readonly admin?: string;
  readonly metrics?: boolean;
  readonly metricsPort: number;
  readonly metricsHost: string;
  readonly state: string;
  readonly issuer?: string;
  readonly audience?: string;
  readonly audienceClaim?: string;
  readonly scopesClaim: readonly string[];
  readonly typ: readonly string[];
  readonly jwks?: string;
  readonly allowPrivateHosts?: boolean;
  readonly algorithm: readonly string[];
  readonly identityClaim: readonly string[];
  readonly embedded?: boolean;
  readonly console?: boolean;
  readonly origin: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly trustProxy: readonly string[];
  readonly allowInsecure?: boolean;
  readonly limits: readonly string[];
  readonly drain: number;
  readonly logLevel: LogLevel;
}

export function withServeOptions(command: Command): Command {
  return withOperationOptions(withIssuerOptions(withListenOptions(command)));
}

function withListenOptions(command: Command): Command {
  return command
    .addOption(portOption())
    .addOption(new Option("--host <address>", "address to listen on").default("127.0.0.1"))
    .addOption(new Option("--path <path>", "path of the WebSocket (default: /rpc)"))
    .addOption(
      new Option(
        "--admin <scope>",
        "callers with this scope may list, kick and revoke sessions (default: nobody)",
      ),
    )
    .addOption(new Option("--metrics", "serve /metrics for Prometheus, on a port of its own"))
    .addOption(
      numberOption(
        "--metrics-port <port>",
        "port of /metrics; 0 for any free port",
        0,
        65_535,
      ).default(9464),
    )
    .addOption(
      new Option(
        "--metrics-host <address>",
        "address of /metrics; only loopback keeps the metrics private",
      ).default("127.0.0.1"),
    );
}

function withIssuerOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--issuer <url>",
        "issuer whose tokens are accepted; without --jwks, OIDC discovery finds its keys",
      ),
    )
    .addOption(audienceOption())
    .addOption(
      new Option(
        "--audience-claim <name>",
        "claim that holds the audience, like client_id or azp (default: aud)",
      ),
    )
    .addOption(
      listOption(
        "--scopes-claim <path>",
        "claim that holds the scopes, like realm_access.roles (default: scope, scp and permissions)",
      ),
    )
    .addOption(
      listOption(
        "--typ <type>",
        "type that the tokens must have, like at+jwt (default: at+jwt, JWT or none)",
      ),
    )
    .addOption(new Option("--jwks <url or file>", "the issuer's key set"))
    .addOption(
      listOption(
        "--algorithm <name>",
        "signature algorithm of the issuer's tokens, like ES256 (default: the algorithms that fit its keys)",
      ),
    )
    .addOption(
      listOption("--identity-claim <name>", "claim that a refresh may not change, like org_id"),
    )
    .addOption(
      new Option(
        "--allow-private-hosts",
        "allow fetching the issuer's keys from a private address",
      ),
    )
    .addOption(
      new Option(
        "--embedded",
        "also serve logins and tokens for the users in the state folder; --issuer is this server's own URL",
      ),
    );
}

function withOperationOptions(command: Command): Command {
  return command
    .addOption(stateOption())
    .addOption(redisOption())
    .addOption(redisPrefixOption())
    .addOption(workersOption())
    .addOption(
      new Option(
        "--console",
        "serve a page at /console to log in, call methods and watch a session",
      ),
    )
    .addOption(originOption())
    .addOption(new Option("--tls-cert <file>", "certificate, PEM"))
    .addOption(new Option("--tls-key <file>", "key of the certificate, PEM"))
    .addOption(
      listOption("--trust-proxy <address>", "proxy with TLS in front: address, range, or loopback"),
    )
    .addOption(insecureOption("listen without TLS on an address other than loopback"))
    .addOption(
      listOption(
        "--limits <name=number>",
        "value for a limit, like requestsInFlight=100; docs/reference/limits.md lists all limits",
      ),
    )
    .addOption(drainOption())
    .addOption(logLevelOption())
    .addOption(configOption());
}

/**
 * An issuer must be a URL, at which its keys or its logins are found, unless its key set is given.
 */
export function checkIssuerOptions({ issuer, jwks, embedded = false }: ServeOptions): void {
  if (embedded && jwks !== undefined)
    throw new CliError("usage", "give either --embedded or --jwks");
  if (
    issuer === undefined ||
    jwks !== undefined ||
    (URL.canParse(issuer) && /^https?:\/\//i.test(issuer))
  )
    return;
  throw new CliError(
    "usage",
    `--issuer must be a URL such as https://id.example.com, not ${JSON.stringify(issuer)}`,
  );
}

function whoseTokens(): CliError {
  return new CliError(
    "usage",
    "no issuer is given; use --issuer <url> and --audience <name>, or --embedded",
  );
}

export async function acceptedIssuer(options: ServeOptions): Promise<ProviderOptions> {
  const { issuer, audience, audienceClaim, scopesClaim, typ } = options;
  const { jwks, allowPrivateHosts = false, algorithm } = options;
  if (issuer === undefined) throw whoseTokens();
  if (audience === undefined)
    throw new CliError(
      "usage",
      "no audience is given; use --audience <name>, the value of the aud claim",
    );
  return {
    ...{ issuer, audience, allowPrivateHosts },
    ...(jwks === undefined ? {} : { jwks: await keySet(jwks) }),
    ...(algorithm.length === 0 ? {} : { algorithms: algorithm }),
    ...(audienceClaim === undefined ? {} : { audienceClaim }),
    ...(scopesClaim.length === 0 ? {} : { scopesClaim }),
    ...(typ.length === 0 ? {} : { typ }),
  };
}

async function keySet(jwks: string): Promise<NonNullable<ProviderOptions["jwks"]>> {
  if (/^https?:\/\//.test(jwks)) return jwks;
  return failingAs("configuration", `the key set in ${jwks} cannot be read: `, async () =>
    JSON.parse(await readFile(jwks, "utf8")),
  );
}

/** Returns the identity of the embedded issuer, or `undefined` without one. */
export function embeddedIdentity(options: ServeOptions, port: number): IssuerIdentity | undefined {
  const { embedded = false, issuer, audience = defaultAudience } = options;
  return embedded ? { issuer: issuer ?? ownUrl(options, port), audience } : undefined;
}

/** Returns the URL of a server on loopback; for any other host the URL is unknown. */
function ownUrl({ host, tlsCert }: ServeOptions, port: number): string {
  if (isLoopback(host)) return `${tlsCert === undefined ? "http" : "https"}://localhost:${port}`;
  throw new CliError(
    "usage",
    "--embedded needs the URL at which clients reach this server; give --issuer https://api.example.com",
  );
}

/** Returns the address of `/metrics`, or `undefined` without `--metrics`. */
export function metricsPlace({
  metrics = false,
  metricsPort,
  metricsHost,
}: ServeOptions): MetricsPlace | undefined {
  return metrics ? { port: metricsPort, host: metricsHost } : undefined;
}

export async function tlsOf({
  tlsCert,
  tlsKey,
}: ServeOptions): Promise<{ readonly cert: Buffer; readonly key: Buffer } | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new CliError("usage", "--tls-cert and --tls-key go together");
  return failingAs("configuration", "the certificate cannot be read: ", async () => ({
    cert: await readFile(tlsCert),
    key: await readFile(tlsKey),
  }));
}

/** Returns advice for each unsafe setting. */
export async function hazardsIn(
  options: ServeOptions,
  state: StateFolder,
  embedded: IssuerIdentity | undefined,
): Promise<readonly string[]> {
  const { host, trustProxy, tlsCert, tlsKey, allowInsecure = false, origin } = options;
  // only an embedded issuer accepts the demo user
  const demoUser = embedded === undefined ? undefined : await state.demoUser();
  return hazardsOf({
    ...{ host, trustProxy, hasTls: tlsCert !== undefined, tlsKey, allowInsecure, origin, demoUser },
    embeddedIssuer: embedded?.issuer,
    environment: process.env.NODE_ENV,
  });
}

/**
 * Returns the options of the server that depend neither on its issuer nor on its address.
 */
export function serverSettings({
  trustProxy,
  allowInsecure = false,
  origin,
  path,
  admin,
  limits,
  identityClaim,
  ...rest
}: ServeOptions) {
  return {
    trustProxy,
    allowInsecure,
    console: rest.console === true,
    limits: limitsOf(limits),
    identityClaims: identityClaim,
    ...(origin.length === 0 ? {} : { origins: namedOrigins(origin) }),
    ...(path === undefined ? {} : { path }),
    ...(admin === undefined ? {} : { admin }),
  } satisfies Partial<ServerOptions>;
}

/** Parses `--limits`; the server itself checks names and values. */
function limitsOf(texts: readonly string[]): Readonly<Record<string, number | "auto">> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, value] = /^(\w+)=(\d+|auto|Infinity)$/.exec(text) ?? [];
      if (name === undefined)
        throw new CliError(
          "usage",
          `--limits must be name=value, such as requestsInFlight=100 or connections=auto, not ${JSON.stringify(text)}`,
        );
      return [name, value === "auto" ? value : Number(value)];
    }),
  );
}

/** `none` stands for no origin: only programs may connect. */
export function namedOrigins(origin: readonly string[]): readonly string[] {
  return origin.filter((one) => one !== "none");
}
