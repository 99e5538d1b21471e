/** Runs scenarios, prints a table, writes RESULTS.md, results.json and the picture, or compares with what was written before. */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { Bench } from "./lib/bench.mjs";
import { print } from "./lib/output.mjs";
import { committedResults, environment, tableOf, writeResults } from "./lib/report.mjs";
import { scenarios } from "./scenarios/index.mjs";

const worst = 1.25; // of the committed ratio, with --check
const usage = `npm run bench -- [options]
  --only a,b     these scenarios: ${Object.keys(scenarios).join(", ")}
  --rounds N     rounds of each measurement (7)
  --quick        3 short rounds
  --check        fail when a figure is more than 25 % worse than in bench/results.json
Files are written by a full run only: without --only, --quick and --check.`;

async function runAll(names, options) {
  const bench = new Bench(options);
  const rows = [];
  try {
    await bench.open();
    for (const name of names) {
      const found = await scenarios[name](bench);
      rows.push(...found);
      print(tableOf(found));
    }
  } finally {
    await bench.close();
  }
  return rows;
}

/** Prints what is worse than it was; true when nothing is. */
function isAsGoodAsBefore(rows) {
  const before = committedResults().rows;
  const worse = rows.filter(({ id, value }) => value !== undefined && before[id] !== undefined && value.median > before[id].median * worst);
  for (const { work, id, value } of worse) print(`worse: ${work}: ${value.median.toFixed(2)}, it was ${before[id].median.toFixed(2)}`);
  if (worse.length === 0) print("nothing is more than 25 % worse than in bench/results.json");
  return worse.length === 0;
}

async function main() {
  const text = { type: "string" };
  const flag = { type: "boolean", default: false };
  const { values } = parseArgs({ options: { only: text, rounds: text, quick: flag, check: flag, help: flag } });
  if (values.help) return print(usage);
  const names = values.only?.split(",") ?? Object.keys(scenarios);
  const unknown = names.find((name) => scenarios[name] === undefined);
  if (unknown !== undefined) throw new TypeError(`there is no scenario "${unknown}"\n${usage}`);
  if (process.env.JOTWIRE_DIST === undefined && !existsSync(new URL("../dist/src/index.js", import.meta.url)))
    throw new Error("there is no build: npm run build");

  const rounds = Number(values.rounds ?? (values.quick ? 3 : 7));
  const rows = await runAll(names, { rounds, duration: values.quick ? 300 : 900 });
  if (values.check) process.exitCode = isAsGoodAsBefore(rows) ? 0 : 1;
  else if (values.only === undefined && !values.quick) writeResults(rows, environment(rounds));
}

await main();
