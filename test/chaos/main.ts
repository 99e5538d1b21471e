/**
 * `npm run chaos`: everything that is harmful, and the scoreboard of it in docs/operations/chaos.md. Exit code
 * 1 when something did not hold.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { Command } from "commander";
import type { ChaosSettings } from "./fault.js";
import { faults } from "./faults.js";
import { type HostileScore, hostilities, suffer } from "./hostile-peers.js";
import { inflict } from "./inflict.js";
import { type Score, scoreboard } from "./scoreboard.js";

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
  .option("--only <text>", "only the faults whose names have this in them; nothing is written")
  .parse();
const { only, ...settings } = program.opts<ChaosSettings & { readonly only?: string }>();
for (const [name, value] of Object.entries(settings))
  if (!(value > 0)) program.error(`--${name} must be a number above 0`);

const hostileSeconds = 10;
const scores: Score[] = [];
for (const fault of faults.filter(({ name }) => only === undefined || name.includes(only))) {
  const score = await inflict(fault, settings);
  scores.push(score);
  const { tally } = score;
  const isFine = tally?.violations.length === 0;
  const outcome =
    tally === undefined
      ? "not done"
      : isFine
        ? "held"
        : `DID NOT HOLD: ${tally.violations.join("; ")}`;
  process.stdout.write(`${score.name}: ${score.what}, ${score.seconds.toFixed(0)} s: ${outcome}\n`);
}
const hostile: HostileScore[] = [];
for (const hostility of hostilities.filter(
  ({ what }) => only === undefined || what.includes(only),
)) {
  const score = await suffer(hostility, hostileSeconds);
  hostile.push(score);
  const outcome =
    score.violations.length === 0 ? "held" : `DID NOT HOLD: ${score.violations.join("; ")}`;
  process.stdout.write(
    `${score.what}: p50 ${score.p50.toFixed(1)} ms, p99 ${score.p99.toFixed(1)} ms: ${outcome}\n`,
  );
}
const command = `npm run chaos -- ${Object.entries(settings)
  .map(([name, value]) => `--${name} ${value}`)
  .join(" ")}`;
if (only === undefined) {
  await mkdir("docs/operations", { recursive: true });
  await writeFile("docs/operations/chaos.md", scoreboard(scores, hostile, command));
}
const isBroken =
  scores.some(({ tally }) => (tally?.violations.length ?? 0) > 0) ||
  hostile.some(({ violations }) => violations.length > 0);
process.exitCode = isBroken ? 1 : 0;
