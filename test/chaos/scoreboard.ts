import { arch, cpus, totalmem } from "node:os";
import { percentile, type Tally } from "./tally.js";

/** What came of one fault. */
export interface Score {
  readonly name: string;
  /** What was done, or why it was not. */
  readonly what: string;
  /** Absent: it was not done. */
  readonly tally?: Tally;
  readonly seconds: number;
}

const columns = [
  "fault",
  "what was done",
  "calls answered",
  "outcome not known",
  "lost writes",
  "executed twice",
  "served late",
  "families falsely revoked",
  "refreshes",
  "events heard (gaps told)",
  "recovery p50",
  "recovery p99",
  "held",
];

/** The scoreboard as Markdown. `command`: what made it. */
export function scoreboard(scores: readonly Score[], command: string): string {
  const [{ model = "" } = {}] = cpus();
  const machine = `${cpus().length} × ${model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${arch()}, Node ${process.versions.node}`;
  const rows = [columns, columns.map(() => "---"), ...scores.map(row)].map((cells) => `| ${cells.join(" | ")} |`);
  const broken = scores.flatMap(({ name, tally }) => (tally?.violations ?? []).map((what) => `* ${name}: ${what}`));
  return `${[
    "# Chaos: what was broken, and what was lost",
    `Written by \`${command}\` on ${new Date().toISOString().slice(0, 10)}; ${machine}, everything on one machine and 127.0.0.1.`,
    legend,
    rows.join("\n"),
    broken.length === 0 ? "Everything that must hold has held." : `What must hold and did not:\n\n${broken.join("\n")}`,
  ].join("\n\n")}\n`;
}

const legend = `* **calls answered**: with a result. **outcome not known**: the connection was lost under the call, and the caller was told so (\`sent: "maybe"\`).
* **lost writes**: acknowledged, and nowhere. **executed twice**: two executions of one call. Every execution is written to a file that survives
  the process, and compared with what callers were told.
* **served late**: requests or pushes that an expired or revoked session got. The clock is read where the call runs, which is after it was
  judged: up to 100 ms, for which a machine with more to do than it can may have stopped the process, are not counted.
* **families falsely revoked**: a refresh token was refused though nobody else had used it.
* **events heard**: by all subscribers together; each published one once and in order, or a gap told, and always the last one.
* **recovery**: of a server or the network, from a client's loss of its connection to its next session, back-off included; of Redis, from
  its return to the first login and session on every node; elsewhere as it says.`;

function row({ name, what, tally, seconds }: Score): readonly string[] {
  if (tally === undefined) return [name, `not done: ${what}`, ...columns.slice(3).map(() => "–"), "–"];
  const { acknowledged, unknown, lost, twice, servedLate, falselyRevoked, refreshes, recoveries } = tally;
  const counts = [acknowledged.size + tally.answered, unknown, lost, twice, servedLate, falselyRevoked, refreshes].map(String);
  const events = `${tally.eventsHeard} (${tally.gapsTold})`;
  const times = [50, 99].map((rank) => milliseconds(percentile(recoveries, rank)));
  const failures = tally.failures === "" ? "" : `; calls refused: ${tally.failures}`;
  return [
    name,
    `${what}; ${seconds.toFixed(0)} s${failures}`,
    ...counts,
    events,
    ...times,
    tally.violations.length === 0 ? "yes" : "**no**",
  ];
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? "–" : `${value.toFixed(0)} ms`;
}
