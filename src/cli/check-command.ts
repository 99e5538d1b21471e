/** `jotwire check`: what is unsafe about the settings of `serve`, or will not work in production, before it is started. */
import type { Command } from "commander";
import type { ServerOptions } from "../index.js";
import { createIssuer, memoryStore } from "../issuer/index.js";
import { loadApp } from "./app-module.js";
import { CliError, exitCodes } from "./cli-error.js";
import { type Finding, findOut } from "./finding.js";
import { jsonOption } from "./options.js";
import { printJson, printLine } from "./output.js";
import { adviceOnRedis, clockSkew, descriptorShortage, trialServer } from "./production-checks.js";
import {
  acceptedIssuer,
  checkIssuerUrl,
  demoUserIn,
  hazardsIn,
  ownUrl,
  type ServeOptions,
  tlsOf,
  withServeOptions,
} from "./serve-settings.js";
import { StateFolder } from "./state-folder.js";

type CheckOptions = ServeOptions & { readonly json?: boolean };

export function addCheckCommand(program: Command): void {
  const command = program
    .command("check [module]")
    .description("say what is unsafe about the settings of serve, or will not work in production, and what to do; takes what serve takes");
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

async function check(module: string | undefined, options: CheckOptions): Promise<void> {
  const findings = (await Promise.all(checksOf(module, options).map(({ name, run }) => findOut(name, run)))).flat();
  if (options.json === true) printJson(findings);
  else for (const { level, check: name, advice } of findings) printLine(`${level.padEnd(7)}  ${name.padEnd(8)}  ${advice}`);
  const unsafe = findings.filter(({ level }) => level === "unsafe").length;
  if (unsafe > 0) process.exitCode = exitCodes.configuration;
}

interface Check {
  readonly name: string;
  readonly run: () => Promise<readonly Omit<Finding, "check">[]>;
}

function checksOf(module: string | undefined, options: CheckOptions): readonly Check[] {
  const { issuer, embedded = false, redis, workers, drain } = options;
  return [
    { name: "exposure", run: () => exposure(options) },
    { name: "tokens", run: () => tokens(module, options) },
    ...(issuer === undefined || embedded ? [] : [{ name: "clock", run: () => clockSkew(issuer) }]),
    { name: "limits", run: descriptorShortage },
    { name: "store", run: () => (redis === undefined ? storeless(embedded, workers) : adviceOnRedis(redis)) },
    { name: "drain", run: async () => drainAdvice(drain) },
  ];
}

async function exposure(options: CheckOptions): Promise<readonly Omit<Finding, "check">[]> {
  const tls = await tlsOf(options);
  const issuerUrl = options.embedded === true ? (options.issuer ?? ownUrl(options, options.port)) : undefined;
  const demoUser = await demoUserIn(new StateFolder(options.state), issuerUrl);
  const hazards = await hazardsIn(options, issuerUrl, demoUser, tls !== undefined);
  const allowed =
    options.allowInsecure === true ? ["--allow-insecure is set: tokens and passwords may cross the network in the clear"] : [];
  return [
    ...hazards.map((advice) => ({ level: "unsafe" as const, advice })),
    ...allowed.map((advice) => ({ level: "unsafe" as const, advice })),
  ];
}

/** A server like the one that will serve, with everything but its port, must come up and be ready. */
async function tokens(module: string | undefined, options: CheckOptions): Promise<readonly Omit<Finding, "check">[]> {
  checkIssuerUrl(options);
  const { embedded = false, audience = "jotwire", path } = options;
  const auth: ServerOptions["auth"] = embedded
    ? await createIssuer({ issuer: options.issuer ?? ownUrl(options, options.port), audience, store: memoryStore() })
    : await acceptedIssuer(options);
  const app = module === undefined ? undefined : (await loadApp(module)).app;
  const unready = await trialServer(app, { auth, production: true, ...(path === undefined ? {} : { path }) });
  const findings = unready === undefined ? [] : [{ level: "unsafe" as const, advice: unready }];
  const isPlain = !embedded && options.issuer?.startsWith("http://") === true;
  if (isPlain)
    findings.push({ level: "unsafe", advice: "the issuer's keys come by http, so anybody on the way can forge tokens: use its https URL" });
  return findings;
}

async function storeless(isEmbedded: boolean, workers: number): Promise<readonly Omit<Finding, "check">[]> {
  if (workers > 1) throw new CliError("configuration", `${workers} workers share nothing but a store: give --redis, or --workers 1`);
  const advice = isEmbedded
    ? "the state folder serves one process on one machine: --redis for more"
    : "revocations are kept in memory, and forgotten at a restart: give --redis if you revoke";
  return [{ level: "warning", advice }];
}

function drainAdvice(drain: number): readonly Omit<Finding, "check">[] {
  if (drain > 25_000)
    return [
      { level: "warning", advice: `a drain of ${drain} ms outlasts the 30 s that most supervisors wait: raise theirs, or lower --drain` },
    ];
  return drain < 1_000 ? [{ level: "warning", advice: "calls in flight have next to no time to finish at a restart: raise --drain" }] : [];
}
