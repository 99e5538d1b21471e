import { arch, cpus, totalmem } from "node:os";
import { type HostileScore, hostileHeap } from "./hostile-peers.js";
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
export function scoreboard(
  scores: readonly Score[],
  hostile: readonly HostileScore[],
  command: string,
): string {
  const [{ model = "" } = {}] = cpus();
  const machine = `${cpus().length} × ${model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${arch()}, Node ${process.versions.node}`;
  const rows = [columns, columns.map(() => "---"), ...scores.map(row)].map(
    (cells) => `| ${cells.join(" | ")} |`,
  );
  const broken = [
    ...scores.flatMap(({ name, tally }) =>
      (tally?.violations ?? []).map((what) => `* ${name}: ${what}`),
    ),
    ...hostile.flatMap(({ what, violations }) =>
      violations.map((violation) => `* ${what}: ${violation}`),
    ),
  ];
  return `${[
    "# Chaos: what was broken, and what was lost",
    `Written by \`${command}\` on ${new Date().toISOString().slice(0, 10)};\n${machine}, everything on one machine and 127.0.0.1.`,
    legend,
    rows.join("\n"),
    "## Hostile peers",
    `Each in a process of its own, against a server with a heap of ${hostileHeap} MB and the
default limits; everything shares one machine. What a healthy user's \`ping\` took meanwhile, and the
server's heap after a collection.`,
    hostileTable(hostile),
    broken.length === 0
      ? "Everything that must hold has held."
      : `What must hold and did not:\n\n${broken.join("\n")}`,
  ].join("\n\n")}\n`;
}

const legend = `* **calls answered**: with a result. **outcome not known**: the connection was lost during the call,
  and its error said \`sent: "maybe"\`.
* **lost writes**: acknowledged, and nowhere. **executed twice**: two executions of one call. A file
  that survives the process lists every execution; the list is compared with the callers' results.
* **served late**: requests or pushes that an expired or revoked session got. The clock is read
  where the call runs, after its check. Up to 100 ms, for which an overloaded machine may have
  stopped the process, do not count.
* **families falsely revoked**: a refresh token was refused though nobody else had used it.
* **events heard**: by all subscribers together; each published event once and in order, or a gap,
  and always the last event.
* **recovery**: of a server or the network, from a client's loss of its connection to its next
  session, back-off included; of Redis, from its return to the first login and session on every
  node; elsewhere as the row says.`;

function hostileTable(scores: readonly HostileScore[]): string {
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  const rows = scores.map(({ what, p50, p99, pings, heapBefore, heapUnder, violations }) => [
    ...[what, `${p50.toFixed(1)} ms`, `${p99.toFixed(1)} ms`, String(pings)],
    ...[mebibytes(heapBefore), mebibytes(heapUnder), violations.length === 0 ? "yes" : "**no**"],
  ]);
  const header = [
    "attack",
    "ping p50",
    "ping p99",
    "pings",
    "heap before",
    "heap under it",
    "held",
  ];
  return [header, header.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function row({ name, what, tally, seconds }: Score): readonly string[] {
  if (tally === undefined)
    return [name, `not done: ${what}`, ...columns.slice(3).map(() => "–"), "–"];
  const { acknowledged, unknown, lost, twice, servedLate, falselyRevoked, refreshes, recoveries } =
    tally;
  const counts = [
    acknowledged.size + tally.answered,
    unknown,
    lost,
    twice,
    servedLate,
    falselyRevoked,
    refreshes,
  ].map(String);
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
