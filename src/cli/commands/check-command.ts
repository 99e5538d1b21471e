/**
 * `jotwire check`: what is unsafe about the settings of `serve`, or will not work in production,
 * before it is started.
 */
import type { Command } from "commander";
import { createIssuer, memoryStore } from "../../issuer/index.js";
import { modeComplaint } from "../../store/file/file-store.js";
import { loadApp } from "../app/app-module.js";
import { certificateAdvice } from "../checks/certificate-checks.js";
import { type Found, findOut } from "../checks/finding.js";
import { algorithmAdvice } from "../checks/key-checks.js";
import {
  adviceOnRedis,
  audienceAdvice,
  clockSkew,
  descriptorShortage,
  originAdvice,
  trialServer,
} from "../checks/production-checks.js";
import { CliError, exitCodes } from "../cli-error.js";
import { printJson, printLine } from "../output.js";
import { jsonOption } from "../settings/options.js";
import {
  acceptedIssuer,
  checkIssuerOptions,
  embeddedIdentity,
  hazardsIn,
  namedOrigins,
  type ServeOptions,
  serverSettings,
  tlsOf,
  withServeOptions,
} from "../settings/serve-settings.js";
import { unknownVariables } from "../settings/settings.js";
import { StateFolder } from "../settings/state-folder.js";

type CheckOptions = ServeOptions & { readonly json?: boolean };

export function addCheckCommand(program: Command): void {
  const command = program
    .command("check [module]")
    .description(
      "say what is unsafe about the settings of serve, or will not work in production, and what to do; takes what serve takes",
    );
  withServeOptions(command)
    .addOption(jsonOption("print JSON: a list of { level, check, advice }"))
    .addHelpText(
      "after",
      `
Nothing is changed, and nothing listens but a trial on a free port of loopback. The module is loaded, but not started.
Exit code: 0 when nothing is unsafe or broken (warnings are told all the same), 3 otherwise.

Examples:
  jotwire check dist/app.js --config production.json
  jotwire check dist/app.js --issuer https://id.example.com --audience orders --trust-proxy loopback --origin none --json`,
    )
    .action(check);
}

async function check(
  module: string | undefined,
  options: CheckOptions,
  command: Command,
): Promise<void> {
  const settings: Check = {
    name: "settings",
    run: async () => variableAdvice(unknownVariables(command.parent ?? command)),
  };
  const checks = [settings, ...(await checksOf(module, options))];
  const findings = (await Promise.all(checks.map(({ name, run }) => findOut(name, run)))).flat();
  if (options.json === true) printJson(findings);
  else
    for (const { level, check: name, advice } of findings)
      printLine(`${level.padEnd(7)}  ${name.padEnd(10)}  ${advice}`);
  const unsafe = findings.filter(({ level }) => level === "unsafe").length;
  if (unsafe > 0) process.exitCode = exitCodes.configuration;
}

interface Check {
  readonly name: string;
  readonly run: () => Promise<Found>;
}

/** Each stands for itself: one that fails keeps none of the others from being made. */
async function checksOf(
  module: string | undefined,
  options: CheckOptions,
): Promise<readonly Check[]> {
  const { issuer, embedded = false, workers, drain, origin, redis } = options;
  return [
    { name: "exposure", run: () => exposure(options) },
    { name: "tls", run: () => certificate(options) },
    { name: "origins", run: () => originAdvice(namedOrigins(origin)) },
    { name: "tokens", run: () => tokens(module, options) },
    ...(issuer === undefined || embedded ? [] : await foreignChecks(issuer, options)),
    { name: "limits", run: descriptorShortage },
    {
      name: "store",
      run: async () => {
        if (redis === undefined)
          return [
            ...(embedded ? await folderAdvice(options.state) : []),
            ...(await storeless(embedded, workers)),
          ];
        return adviceOnRedis({ ...options, redis }, embeddedIdentity(options, options.port));
      },
    },
    { name: "drain", run: async () => drainAdvice(drain) },
  ];
}

/** What is told about an issuer of somebody else's. */
async function foreignChecks(issuer: string, options: CheckOptions): Promise<readonly Check[]> {
  const clock: Check = { name: "clock", run: () => clockSkew(issuer) };
  // why not is told under "tokens"
  const provider = await acceptedIssuer(options).catch(() => undefined);
  if (provider === undefined) return [clock];
  return [
    { name: "algorithms", run: () => algorithmAdvice(provider) },
    { name: "audience", run: () => audienceAdvice(provider) },
    clock,
  ];
}

async function exposure(options: CheckOptions): Promise<Found> {
  const hazards = await hazardsIn(
    options,
    new StateFolder(options.state),
    embeddedIdentity(options, options.port),
  );
  const allowed =
    options.allowInsecure === true
      ? ["--allow-insecure is set: tokens and passwords may cross the network in the clear"]
      : [];
  return [...hazards, ...allowed].map((advice) => ({ level: "unsafe", advice }));
}

/** Without a certificate here it is a proxy's business, or told as a hazard. */
async function certificate(options: CheckOptions): Promise<Found> {
  const tls = await tlsOf(options);
  const { issuer } = embeddedIdentity(options, options.port) ?? {};
  return tls === undefined
    ? []
    : certificateAdvice(tls, issuer === undefined ? undefined : new URL(issuer).hostname);
}

/**
 * A server like the one that will serve, with everything but its port, must come up and be ready.
 */
async function tokens(module: string | undefined, options: CheckOptions): Promise<Found> {
  checkIssuerOptions(options);
  const identity = embeddedIdentity(options, options.port);
  const auth =
    identity === undefined
      ? await acceptedIssuer(options)
      : await createIssuer({ ...identity, store: memoryStore() });
  const app = module === undefined ? undefined : (await loadApp(module)).app;
  const unready = await trialServer(app, { auth, production: true, ...serverSettings(options) });
  const isPlain = identity === undefined && options.issuer?.startsWith("http://") === true;
  const plain =
    "the issuer's keys come by http, so anybody on the way can forge tokens: use its https URL";
  return [...(unready === undefined ? [] : [unready]), ...(isPlain ? [plain] : [])].map(
    (advice) => ({ level: "unsafe", advice }),
  );
}

/** A server would refuse to keep its keys there. */
async function folderAdvice(state: string): Promise<Found> {
  const complaint = await modeComplaint(new StateFolder(state).path);
  return complaint === undefined ? [] : [{ level: "unsafe", advice: complaint }];
}

async function storeless(isEmbedded: boolean, workers: number): Promise<Found> {
  if (workers > 1)
    throw new CliError(
      "configuration",
      `${workers} workers share nothing but a store: give --redis, or --workers 1`,
    );
  const advice = isEmbedded
    ? "the state folder serves one process on one machine: --redis for more"
    : "revocations are kept in memory, and forgotten at a restart: give --redis if you revoke";
  return [{ level: "warning", advice }];
}

function variableAdvice(variables: readonly string[]): Found {
  return variables.map((name) => ({
    level: "warning",
    advice: `no option has the variable ${name}: is it misspelt?`,
  }));
}

function drainAdvice(drain: number): Found {
  if (drain > 25_000)
    return [
      {
        level: "warning",
        advice: `a drain of ${drain} ms outlasts the 30 s that most supervisors wait: raise theirs, or lower --drain`,
      },
    ];
  return drain < 1_000
    ? [
        {
          level: "warning",
          advice: "calls in flight have next to no time to finish at a restart: raise --drain",
        },
      ]
    : [];
}
