import { arch, cpus, totalmem } from "node:os";
import { type AttackMeasurements, linesByKind } from "./hostile-judge.js";
import { type HostileScore, hostileHeap } from "./hostile-peers.js";
import type { StoreSize } from "./store-size.js";
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

/** What stands above the sections. */
export const title = `# Chaos: what was broken, and what was lost

What was lost when servers, Redis, network, clock and disk failed under load, and what hostile peers
could do.`;

/** The section of faults as Markdown. `command`: what made it. */
export function faultsSection(scores: readonly Score[], command: string): string {
  return [
    written(command),
    legend,
    table(columns, scores.map(row)),
    verdict(scores.map(({ name, tally }) => [name, tally?.violations ?? []])),
  ].join("\n\n");
}

/** The section of hostile peers. `seconds`: how long each was at work. */
export function hostileSection(
  scores: readonly HostileScore[],
  command: string,
  seconds: number,
): string {
  return [
    written(command),
    `Each attacker is a process of its own, at work for ${seconds} s, or on a slow machine until it has
reached its limits. The server has a heap of ${hostileHeap} MB, the default limits, and an embedded issuer
with argon2id, whose store is a folder unless the row says otherwise.`,
    hostileLegend,
    table(hostileColumns, scores.map(hostileRow)),
    verdict(scores.map(({ what, violations }) => [what, violations])),
  ].join("\n\n");
}

/** Replaces the section below a heading of level 2, or adds it at the document's end. */
export function withSection(document: string, heading: string, body: string): string {
  const parts = document.split(/^(?=## )/m);
  const section = `## ${heading}\n\n${body}`;
  const index = parts.findIndex((part) => part.startsWith(`## ${heading}\n`));
  const replaced = index === -1 ? [...parts, section] : parts.with(index, section);
  return `${replaced.map((part) => part.trim()).join("\n\n")}\n`;
}

function written(command: string): string {
  const [{ model = "" } = {}] = cpus();
  const machine = `${cpus().length} × ${model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${arch()}, Node ${process.versions.node}`;
  return `Written by \`${command}\` on ${new Date().toISOString().slice(0, 10)};\n${machine}, everything on one machine and 127.0.0.1.`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function verdict(judged: readonly (readonly [name: string, violations: readonly string[]])[]) {
  const broken = judged.flatMap(([name, violations]) =>
    violations.map((violation) => `* ${name}: ${violation}`),
  );
  return broken.length === 0
    ? "Everything that must hold has held."
    : `What must hold and did not:\n\n${broken.join("\n")}`;
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

const hostileLegend = `\
* **asked**: what a healthy user asks meanwhile, one request after the other: \`ping\` on a
  session, a login (\`POST /login\`) or a refresh (\`POST /token\`). **p50**, **p99**: how long that
  took under the attack; in brackets the median before it. Each request must be served.
* **heap**: after a collection. **store**: files of the folder, or keys of Redis, and their bytes;
  for Redis all the memory that it uses. What the healthy user writes is among it.
* **the attacker's**: frames that it has sent, or answers that it got.
* **log lines**: of all that is not a success, 20 of one kind at once and one in 10 s from one
  address, 100 and one a second from all.
* **held**: also, the median stays below 10 ms (a ping) or a few times what it was before (a login
  or refresh), the 99th percentile below 1 s or twice that bound, and the growth of the heap below
  128 MiB; the store grows by no more than the budgets allow; each of the attacker's answers comes
  no more often than its limit allows, and no other comes.`;

const hostileColumns = [
  ...["attack", "asked", "p50", "p99", "heap before", "heap under it"],
  ...["store before", "store after", "the attacker's", "log lines", "held"],
];

function hostileRow({ what, asks, measurements, obstacle, violations }: HostileScore) {
  const held = violations.length === 0 ? "yes" : "**no**";
  if (measurements !== undefined) return [what, ...measured(asks, measurements), held];
  const cells = hostileColumns.slice(2, -1).map(() => "–");
  return obstacle === undefined
    ? [what, asks, ...cells, held]
    : [`${what}; not done: ${obstacle}`, asks, ...cells, "–"];
}

function measured(asks: string, measurements: AttackMeasurements): readonly string[] {
  const { quiet, times, heapBefore, heapUnder, storeBefore, storeAfter, counts, lines } =
    measurements;
  const median = (figures: readonly number[]) => precise(percentile(figures, 50));
  const caused = [...linesByKind(lines).values()].reduce((sum, count) => sum + count, 0);
  return [
    `${times.length} × ${asks}`,
    `${median(times)} (${median(quiet)})`,
    precise(percentile(times, 99)),
    ...[heapBefore, heapUnder].map(mebibytes),
    ...[storeBefore, storeAfter].map(sizeText),
    Object.entries(counts)
      .map(([name, count]) => `${name}: ${count}`)
      .join(", "),
    String(caused),
  ];
}

function sizeText({ entries, unit, bytes }: StoreSize): string {
  return `${entries} ${unit}, ${(bytes / 1_024).toFixed(0)} KiB`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

function precise(value = Number.NaN): string {
  return `${value.toFixed(1)} ms`;
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
