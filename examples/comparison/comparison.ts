/**
 * Runs the scenarios against the five versions of the board, and prints the table.
 *
 *     npm run comparison -- --times 3 --write
 *     npm run comparison -- --library jotwire,tRPC --scenario removal,expiry
 *     npm run comparison -- --lines --write
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { compare, countedAgain } from "./lib/compare.ts";
import { libraries } from "./lib/libraries.ts";
import { scenarios } from "./lib/measures.ts";
import { tableOf, withTable } from "./lib/table.ts";

const { values } = parseArgs({
  options: {
    times: { type: "string", default: "1" },
    library: { type: "string", default: libraries.map(({ name }) => name).join() },
    scenario: { type: "string", default: Object.keys(scenarios).join() },
    /** Puts the results into results.json and the table into README.md. */
    write: { type: "boolean", default: false },
    /** Runs nothing: counts the lines again, for the results that were written last. */
    lines: { type: "boolean", default: false },
    /** Prints the results, instead of the table. */
    json: { type: "boolean", default: false },
  },
});

const wanted = values.library.split(",");
const choice = {
  libraries: libraries.filter(({ name }) => wanted.includes(name)),
  scenarios: values.scenario.split(","),
  times: Number(values.times),
};
const file = (name: string) => new URL(name, import.meta.url);
const results = values.lines
  ? countedAgain(JSON.parse(readFileSync(file("results.json"), "utf8")))
  : await compare(choice, (text) => process.stderr.write(`${text}\n`));
process.stdout.write(`${values.json ? JSON.stringify(results, null, 2) : tableOf(results)}\n`);

if (values.write) {
  writeFileSync(file("results.json"), `${JSON.stringify(results, null, 2)}\n`);
  const readme = readFileSync(file("README.md"), "utf8");
  writeFileSync(file("README.md"), withTable(readme, tableOf(results)));
}
const runs = Object.values(results.libraries).flatMap((result) => Object.values(result.runs));
for (const failure of runs.flat().filter((run) => typeof run === "string")) {
  process.stderr.write(`${failure}\n`);
  process.exitCode = 1;
}
