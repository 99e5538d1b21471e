/** The results as Markdown. */
import type { LibraryResult, Results } from "./compare.ts";
import { concerns } from "./lines.ts";
import { type Findings, scenarios } from "./measures.ts";

export const marks = ["<!-- table: npm run comparison -->", "<!-- end of table -->"] as const;

/** The text between the marks. */
export function tableOf(results: Results): string {
  const { node, cores, load, times } = results;
  const libraries = Object.entries(results.libraries);
  const rows = (values: (name: string, result: LibraryResult) => string) =>
    libraries.map(([name, result]) => values(name, result)).join(" | ");
  const lines = Object.entries(scenarios).flatMap(([key, scenario]) => [
    `| **${scenario.title}** |${" |".repeat(libraries.length)}`,
    ...Object.entries(scenario.measures).map(
      ([measure, text]) => `| ${text} | ${rows((_, { runs }) => cell(runs[key] ?? [], measure))} |`,
    ),
  ]);
  return [
    `Measured ${times === 1 ? "once" : `${times} times`} with Node ${node} on ${cores} cores; the load was`,
    `${load.begin.toFixed(1)} at the beginning and ${load.end.toFixed(1)} at the end. Times are medians; ` +
      "counts are the worst of all runs.",
    "",
    `| | ${rows((name) => name)} |`,
    `|---|${"---|".repeat(libraries.length)}`,
    ...lines,
    `| **Lines of code** |${" |".repeat(libraries.length)}`,
    `| server | ${rows((_, { lines }) => String(lines.server))} |`,
    `| client | ${rows((_, { lines }) => String(lines.client))} |`,
    `| login, refresh and sign-out | ${rows((_, { lines }) => String(lines.login || "–"))} |`,
    `| all | ${rows((_, { lines }) => String(lines.total))} |`,
    ...concerns.map(
      (concern) =>
        `| of these, for ${concern} | ${rows((_, { lines }) => String(lines.concerns[concern]))} |`,
    ),
    "",
    `Versions: ${libraries.map(([, { versions }]) => versions).join("; ")}.`,
  ].join("\n");
}

/** The median of a time, the worst of a count, and what is true of all runs. */
function cell(runs: readonly (Findings | string)[], measure: string): string {
  if (runs.some((run) => typeof run === "string")) return "failed";
  const values = (runs as readonly Findings[]).map((run) => run[measure]);
  if (values.length === 0) return "–";
  if (values.some((value) => value === undefined)) return "never";
  if (typeof values[0] === "boolean") return values.every(Boolean) ? "yes" : "**no**";
  const sorted = (values as number[]).toSorted((a, b) => a - b);
  if (measure.endsWith("Ms")) return `${Math.round(sorted[sorted.length >> 1] ?? 0)} ms`;
  return String(sorted.at(-1));
}

/** Puts the table between the marks of a document. */
export function withTable(document: string, table: string): string {
  const [begin, end] = marks;
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`the document lacks the marks ${marks.join(", ")}`);
  return `${document.slice(0, from)}${begin}\n\n${table}\n\n${document.slice(to)}`;
}
