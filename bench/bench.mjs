/**
 * Runs scenarios, prints a table, writes RESULTS.md, results.json and the picture, or compares with
 * what was written before.
 */
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Bench } from "./lib/bench.mjs";
import { worseThan } from "./lib/guard.mjs";
import { print } from "./lib/output.mjs";
import { committedResults, environment, tableOf, writeResults } from "./lib/report.mjs";
import { scenarios } from "./scenarios/index.mjs";

const longest = 300_000; // ms that a scenario may take
const usage = `npm run bench -- [options]
  --only a,b     these scenarios: ${Object.keys(scenarios).join(", ")}
  --rounds N     rounds of each measurement (7)
  --quick        3 short rounds
  --check        fail when a figure is more than 25 % worse than in bench/results.json
Files are written by a full run only: without --only, --quick and --check.`;

/**
 * One after another, each with processes of its own: one that fails is told, and the others go on.
 */
async function runAll(names, options) {
  const rows = [];
  for (const name of names) {
    const found = await run(name, options);
    rows.push(...found);
    print(tableOf(found));
  }
  return rows;
}

async function run(name, options) {
  const bench = new Bench(options);
  try {
    await bench.open();
    return await within(longest, scenarios[name](bench));
  } catch (error) {
    return [
      { id: name, work: `the scenario ${name}`, failure: String(error.message).split("\n")[0] },
    ];
  } finally {
    await bench.close();
  }
}

async function within(limit, work) {
  const timeout = new AbortController();
  const late = delay(limit, undefined, { signal: timeout.signal }).then(() => {
    throw new Error(`not done in ${limit / 1_000} s`);
  });
  late.catch(() => {}); // it was stopped
  try {
    return await Promise.race([work, late]);
  } finally {
    timeout.abort();
    work.catch(() => {}); // what is left of it fails with its processes
  }
}

/** Prints what is worse than it was; true when nothing is. */
function isAsGoodAsBefore(rows) {
  const before = committedResults().rows;
  const worse = worseThan(before, rows);
  for (const { work, id, value } of worse)
    print(`worse: ${work}: ${value.median.toFixed(2)}, it was ${before[id].median.toFixed(2)}`);
  if (worse.length === 0) print("nothing is more than 25 % worse than in bench/results.json");
  return worse.length === 0;
}

async function main() {
  const text = { type: "string" };
  const flag = { type: "boolean", default: false };
  const { values } = parseArgs({
    options: { only: text, rounds: text, quick: flag, check: flag, help: flag },
  });
  if (values.help) return print(usage);
  const names = values.only?.split(",") ?? Object.keys(scenarios);
  const unknown = names.find((name) => scenarios[name] === undefined);
  if (unknown !== undefined) throw new TypeError(`there is no scenario "${unknown}"\n${usage}`);
  if (
    process.env.JOTWIRE_DIST === undefined &&
    !existsSync(new URL("../dist/src/index.js", import.meta.url))
  )
    throw new Error("there is no build: npm run build");

  const rounds = Number(values.rounds ?? (values.quick ? 3 : 7));
  const rows = await runAll(names, { rounds, duration: values.quick ? 300 : 900 });
  const isComplete = rows.every(({ failure }) => failure === undefined);
  const isGood = values.check ? isAsGoodAsBefore(rows) : true;
  if (!values.check && values.only === undefined && !values.quick)
    writeResults(rows, environment(rounds));
  process.exitCode = isComplete && isGood ? 0 : 1;
}

await main();
