import type { AttackCounts } from "../helpers/server/attack.js";
import type { LoggedLine } from "../helpers/server/server-process.js";
import type { Hostility } from "./hostilities.js";
import type { StoreSize } from "./store-size.js";
import { percentile } from "./tally.js";

/** What was measured of one kind of hostile peer. */
export interface AttackMeasurements {
  /** Milliseconds that the healthy user's requests took, before the attack and under it. */
  readonly quiet: readonly number[];
  readonly times: readonly number[];
  /** Why some of them were not served. */
  readonly failures: readonly string[];
  /** Bytes in use after a collection, before the attack and under it. */
  readonly heapBefore: number;
  readonly heapUnder: number;
  readonly storeBefore: StoreSize;
  readonly storeAfter: StoreSize;
  /** Bytes at their most under the attack. */
  readonly mostBytes: number;
  readonly counts: AttackCounts;
  /** Of the server's log, under the attack. */
  readonly lines: readonly LoggedLine[];
  readonly seconds: number;
  /** What the server has written as an error. */
  readonly complaints: readonly string[];
}

const maxPing = 10; // ms, the median
const maxSlowest = 1_000; // ms, the 99th percentile
const maxHeapGrowth = 134_217_728; // 128 MiB
const bytesOfRequest = 512; // more than a line of the store's journals
const filesBeingReplaced = 3; // at one time: counters of two logins, and a journal
// lines at once, and the seconds that one more takes, of one kind
const ofAddress = { burst: 20, interval: 10 };
const ofAll = { burst: 100, interval: 1 };

/** What must hold, and did not. */
export function judgeHostility(
  hostility: Hostility,
  measurements: AttackMeasurements,
): readonly string[] {
  return [
    ...slowness(hostility, measurements),
    ...growth(hostility, measurements),
    ...wrongCounts(hostility, measurements),
    ...floodedLog(hostility, measurements),
    ...measurements.complaints,
  ];
}

/**
 * The most that the median of the healthy user's requests may be. A login waits for one hash of
 * each other account or address, two of which run at a time, and for its own; the attacker takes
 * a part of the machine, too.
 */
export function maxMedian({ asks, inTurn = 0 }: Hostility, quiet: readonly number[]): number {
  return asks === "ping" ? maxPing : 50 + (6 + inTurn) * (percentile(quiet, 50) ?? 0);
}

/** What an attack has sent, or was answered, less often than it takes to have an effect. */
export function lacking({ counts: wanted }: Hostility, counts: AttackCounts): readonly string[] {
  return Object.entries(wanted)
    .filter(([what, [least]]) => (counts[what] ?? 0) < least)
    .map(([what]) => what);
}

/** Lines of a log that a peer can cause again and again, by kind. */
export function linesByKind(lines: readonly LoggedLine[]): ReadonlyMap<string, number> {
  const byKind = new Map<string, number>();
  for (const { event = "", method, limit } of lines) {
    // each user's own: the number of users bounds them
    if (event.endsWith(".ok") || event === "revoke") continue;
    const kind = [event, method ?? limit].filter(Boolean).join(" ");
    byKind.set(kind, (byKind.get(kind) ?? 0) + 1);
  }
  return byKind;
}

function* slowness(hostility: Hostility, { quiet, times, failures }: AttackMeasurements) {
  const [p50 = Number.NaN, p99 = Number.NaN] = [percentile(times, 50), percentile(times, 99)];
  const median = maxMedian(hostility, quiet);
  const slowest = Math.max(maxSlowest, 2 * median);
  const a = `a healthy user's ${hostility.asks} took`;
  if (!(p50 <= median))
    yield `${a} ${p50.toFixed(1)} ms in the median, more than ${median.toFixed(1)}`;
  if (!(p99 <= slowest)) yield `${a} ${p99.toFixed(0)} ms at the 99th percentile`;
  if (failures.length > 0)
    yield `${failures.length} of ${times.length + failures.length} were not served: ${failures[0]}`;
}

function* growth(hostility: Hostility, measurements: AttackMeasurements) {
  const { heapBefore, heapUnder, storeBefore, storeAfter, mostBytes } = measurements;
  if (!(heapUnder - heapBefore <= maxHeapGrowth))
    yield `the heap has grown by ${heapUnder - heapBefore} bytes`;
  const writes = hostility.asks !== "ping";
  const own = writes ? measurements.times.length * bytesOfRequest : 0;
  const entries = storeAfter.entries - storeBefore.entries;
  if (!(entries <= hostility.growth.entries + (writes ? filesBeingReplaced : 0)))
    yield `the store has grown by ${entries} ${storeAfter.unit}`;
  const bytes = Math.max(storeAfter.bytes, mostBytes) - storeBefore.bytes;
  if (!(bytes <= hostility.growth.bytes + own)) yield `the store has grown by ${bytes} bytes`;
}

function* wrongCounts(hostility: Hostility, { counts }: AttackMeasurements) {
  for (const what of lacking(hostility, counts))
    yield `the attack had no effect: ${what} ${counts[what] ?? 0} times`;
  for (const [what, times] of Object.entries(counts)) {
    const most = hostility.counts[what]?.[1];
    if (most === undefined) yield `${what}: ${times} times, which must not be`;
    else if (times > most) yield `${what}: ${times} times, more than ${most}`;
  }
}

function* floodedLog({ addresses = 1 }: Hostility, { lines, seconds }: AttackMeasurements) {
  const { burst, interval } = addresses > 1 ? ofAll : ofAddress;
  const most = burst + Math.ceil(seconds / interval);
  for (const [kind, times] of linesByKind(lines))
    if (times > most) yield `${times} lines of the log are ${kind}, more than ${most}`;
}
