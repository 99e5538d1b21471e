/** What a run leaves: a table to read, numbers to compare with, a picture. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { chartOf } from "./chart.mjs";
import { notes } from "./notes.mjs";
import { peers } from "./peers.mjs";
import { median } from "./statistics.mjs";

const file = (name) => new URL(`../${name}`, import.meta.url);
const readJson = (url) => JSON.parse(readFileSync(url, "utf8"));

/** A number as a person wants to read it: three digits that count. */
function shown(number) {
  if (Number.isInteger(number)) return String(number);
  return number >= 100 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toFixed(2);
}

function cellsOf({ work, target, value, unit = "", failure }) {
  if (failure !== undefined) return [work, "", `failed: ${failure}`, "", "", "**no**"];
  const range = value.min === value.max ? ["", ""] : [shown(value.min), shown(value.max)];
  const verdict = target === undefined ? "" : value.median <= target ? "yes" : "**no**";
  return [
    work,
    target === undefined ? "" : `≤ ${target}${unit}`,
    `${shown(value.median)}${unit}`,
    ...range,
    verdict,
  ];
}

const heading = ["work", "to reach", "median", "min", "max", "reached"];

/** For a terminal, with what it cost below each row. */
export function tableOf(rows) {
  return rows
    .map((row) => {
      const [work, target, found, min, max, verdict] = cellsOf(row);
      const range = min === "" ? "" : ` (${min}–${max})`;
      const costs = Object.entries(row.costs ?? {}).map(
        ([name, values]) => `${labelOf(name)} ${shown(median(values))}`,
      );
      const detail = costs.length === 0 ? "" : `\n    ${row.costUnit ?? "µs"}: ${costs.join(", ")}`;
      return `${work}: ${found}${range} ${target} ${verdict.replaceAll("*", "")}${detail}`;
    })
    .join("\n");
}

function labelOf(name) {
  return peers[name]?.label ?? name;
}

function markdownTable(lines) {
  const [first, ...rest] = lines.map((cells) => `| ${cells.join(" | ")} |`);
  return [first, `|${" --- |".repeat(lines[0].length)}`, ...rest].join("\n");
}

/** The machine, the versions and the date. */
export function environment(rounds) {
  const manifest = readJson(file("package.json"));
  const versions = {
    node: process.versions.node,
    jotwire: readJson(file("../package.json")).version,
    ...manifest.dependencies,
  };
  const machine = `${cpus()[0].model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${process.arch}`;
  return { date: new Date().toISOString().slice(0, 10), machine, rounds, versions };
}

export function committedResults() {
  if (!existsSync(file("results.json")))
    throw new Error("there is no bench/results.json to compare with: npm run bench");
  return readJson(file("results.json"));
}

export function writeResults(rows, about) {
  const measured = rows.filter(({ value }) => value !== undefined);
  const numbers = Object.fromEntries(
    measured.map(({ id, value, target }) => [id, { ...value, target }]),
  );
  writeFileSync(file("results.json"), `${JSON.stringify({ ...about, rows: numbers }, null, 2)}\n`);
  writeFileSync(file("RESULTS.md"), documentOf(rows, about));
  const { costs } = rows.find(({ id }) => id === "peers") ?? {};
  if (costs !== undefined) writeFileSync(file("cost-per-call.svg"), chartOf(costs));
}

/** On what is not reached. */
function notesOn(rows) {
  const missed = rows.filter(
    ({ value, target }) => value !== undefined && target !== undefined && value.median > target,
  );
  if (missed.length === 0) return "";
  const lines = missed.map(
    ({ id, work }) =>
      `* **${work}.** ${notes[id] ?? "No profile of it was made yet: `node bench/profile.mjs`."}`,
  );
  return `## What is not reached, and where the time goes\n\n${lines.join("\n")}\n\n`;
}

function documentOf(rows, { date, machine, rounds, versions }) {
  const costs = rows.flatMap(({ work, costs = {}, costUnit = "µs" }) =>
    Object.entries(costs).map(([name, values]) => {
      const [least, most] = [Math.min(...values), Math.max(...values)];
      return [
        work,
        labelOf(name),
        `${shown(median(values))} ${costUnit}`,
        shown(least),
        shown(most),
      ];
    }),
  );
  return `# Results

Written by \`npm run bench\` on ${date}. ${machine}; Node ${versions.node}.

${markdownTable([heading, ...rows.map(cellsOf)])}

Ratios are of CPU time of the server process for one piece of work (\`process.cpuUsage()\`: user and system, all threads), unless the row
says otherwise: median, minimum and maximum of ${rounds} rounds, each ratio from one round, in which the two take turns. The load comes from
another process. Sessions of jotwire are authenticated by ES256 tokens, and expiry, scope and revocation are checked for each call; all
other servers check nothing.

${notesOn(rows)}## What one piece of work cost

${markdownTable([["work", "who", "median", "min", "max"], ...costs])}

## Versions

${markdownTable([["package", "version"], ...Object.entries(versions)])}
`;
}
