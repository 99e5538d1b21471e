/**
 * `jotwire check`: reports settings of `serve` that are unsafe or do not work in production, before
 * the server starts.
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
      "report settings of serve that are unsafe or do not work in production, with advice; takes the options of serve",
    );
  withServeOptions(command)
    .addOption(jsonOption("print JSON: a list of { level, check, advice }"))
    .addHelpText(
      "after",
      `
Changes nothing. Starts a trial server on a free port of loopback. Loads the module, but does not start it.
Exit code: 0 if nothing is unsafe or broken (there may be warnings), 3 otherwise.

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

/** The checks are independent: all of them run, even if one fails. */
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

/** Checks of an issuer other than the embedded one. */
async function foreignChecks(issuer: string, options: CheckOptions): Promise<readonly Check[]> {
  const clock: Check = { name: "clock", run: () => clockSkew(issuer) };
  // the check "tokens" reports the reason
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
      ? [
          "--allow-insecure is set, so tokens and passwords may cross the network unencrypted; use TLS",
        ]
      : [];
  return [...hazards, ...allowed].map((advice) => ({ level: "unsafe", advice }));
}

/**
 * Without a certificate there is nothing to check here: a proxy has it, or "exposure" reports a
 * hazard.
 */
async function certificate(options: CheckOptions): Promise<Found> {
  const tls = await tlsOf(options);
  const { issuer } = embeddedIdentity(options, options.port) ?? {};
  return tls === undefined
    ? []
    : certificateAdvice(tls, issuer === undefined ? undefined : new URL(issuer).hostname);
}

/**
 * Starts a trial server with all settings but the port, and waits until it is ready.
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
    "the issuer's keys come over http, so anybody on the network path can forge tokens; use its https URL";
  return [...(unready === undefined ? [] : [unready]), ...(isPlain ? [plain] : [])].map(
    (advice) => ({ level: "unsafe", advice }),
  );
}

/**
 * Checks the mode of the state folder, since a server refuses to keep its keys in an unsafe one.
 */
async function folderAdvice(state: string): Promise<Found> {
  const complaint = await modeComplaint(new StateFolder(state).path);
  return complaint === undefined ? [] : [{ level: "unsafe", advice: complaint }];
}

async function storeless(isEmbedded: boolean, workers: number): Promise<Found> {
  if (workers > 1)
    throw new CliError(
      "configuration",
      `${workers} workers need a shared store; give --redis, or --workers 1`,
    );
  const advice = isEmbedded
    ? "the state folder serves one process on one machine; give --redis for more"
    : "revocations are kept in memory and lost at a restart; give --redis if you revoke tokens";
  return [{ level: "warning", advice }];
}

function variableAdvice(variables: readonly string[]): Found {
  return variables.map((name) => ({
    level: "warning",
    advice: `no option reads the variable ${name}; check its spelling`,
  }));
}

function drainAdvice(drain: number): Found {
  if (drain > 25_000)
    return [
      {
        level: "warning",
        advice: `a drain of ${drain} ms exceeds the 30 s that most supervisors wait; raise their timeout, or lower --drain`,
      },
    ];
  return drain < 1_000
    ? [
        {
          level: "warning",
          advice: "calls in flight have too little time to finish at a restart; raise --drain",
        },
      ]
    : [];
}
