/**
 * `npm run chaos`: everything that is harmful, and the scoreboard of it in
 * docs/operations/chaos.md. Exit code 1 when something did not hold.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { Command, Option } from "commander";
import type { ChaosSettings } from "./fault.js";
import { faults } from "./faults.js";
import { type HostileScore, suffer } from "./hostile-peers.js";
import { hostilities } from "./hostilities.js";
import { inflict } from "./inflict.js";
import { faultsSection, hostileSection, type Score, title, withSection } from "./scoreboard.js";

const program = new Command("npm run chaos --")
  .description(
    "Kills, hangs, cuts and starves servers, Redis, network and disk under load, and says what was lost",
  )
  .option("--clients <count>", "SDK clients under load", Number, 200)
  .option(
    "--times <count>",
    "how often each fault is done; servers are killed twice as often, Redis in the midst of writes twenty times, and a clock jumps a fifth of it",
    Number,
    10,
  )
  .option("--minutes <minutes>", "length of the soak", Number, 10)
  .option("--races <count>", "refresh races", Number, 200)
  .addOption(
    new Option("--part <part>", "only this part, whose section alone is written").choices([
      "faults",
      "hostile",
    ]),
  )
  .option(
    "--only <text>",
    "only the faults and attacks whose names have this in them; nothing is written",
  )
  .parse();
const { only, part, ...settings } = program.opts<
  ChaosSettings & { readonly only?: string; readonly part?: "faults" | "hostile" }
>();
for (const [name, value] of Object.entries(settings))
  if (!(value > 0)) program.error(`--${name} must be a number above 0`);

const page = "docs/operations/chaos.md";
const hostileSeconds = 10;
let isBroken = false;
if (part !== "hostile") await doFaults();
if (part !== "faults") await doHostilities();
process.exitCode = isBroken ? 1 : 0;

async function doFaults(): Promise<void> {
  const scores: Score[] = [];
  for (const fault of faults.filter(({ name }) => isMeant(name))) {
    const score = await inflict(fault, settings);
    scores.push(score);
    const { name, what, tally, seconds } = score;
    const outcome = tally === undefined ? "not done" : outcomeOf(tally.violations);
    process.stdout.write(`${name}: ${what}, ${seconds.toFixed(0)} s: ${outcome}\n`);
  }
  const given = Object.entries(settings).map(([name, value]) => `--${name} ${value}`);
  await write("Faults", faultsSection(scores, commandWith(given)));
}

async function doHostilities(): Promise<void> {
  const scores: HostileScore[] = [];
  for (const hostility of hostilities.filter(({ what }) => isMeant(what))) {
    const score = await suffer(hostility, hostileSeconds);
    scores.push(score);
    const { what, obstacle, violations } = score;
    const outcome = obstacle === undefined ? outcomeOf(violations) : `not done: ${obstacle}`;
    process.stdout.write(`${what}: ${outcome}\n`);
  }
  await write("Hostile peers", hostileSection(scores, commandWith([]), hostileSeconds));
}

function isMeant(name: string): boolean {
  return only === undefined || name.includes(only);
}

function outcomeOf(violations: readonly string[]): string {
  if (violations.length === 0) return "held";
  isBroken = true;
  return `DID NOT HOLD: ${violations.join("; ")}`;
}

function commandWith(given: readonly string[]): string {
  const args = [...(part === undefined ? [] : [`--part ${part}`]), ...given];
  return ["npm run chaos", ...(args.length === 0 ? [] : ["--", ...args])].join(" ");
}

/** With `--only` it would not be the whole section: it goes to standard output. */
async function write(heading: string, section: string): Promise<void> {
  if (only !== undefined) {
    process.stdout.write(`\n${section}\n`);
    return;
  }
  await mkdir("docs/operations", { recursive: true });
  const before = await readFile(page, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    return title;
  });
  await writeFile(page, withSection(before, heading, section));
}
