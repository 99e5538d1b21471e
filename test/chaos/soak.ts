import { setTimeout as pause } from "node:timers/promises";
import { RedisServer } from "../helpers/redis/redis-server.js";
import { Crowd } from "./crowd.js";
import type { Fault } from "./fault.js";
import { Fleet } from "./fleet.js";
import type { NodeFigures } from "./node-settings.js";
import { nothingLost, restartGently } from "./rolling-restarts.js";
import type { Tally } from "./tally.js";

const turn = 2_000; // 2 s: so often some leave, and others come
// so often a node is restarted, but never the first, whose memory is watched
const turnsToRestart = 8;
// a quarter and 8 MiB more than at first is flat: a heap is never the same twice
const tolerance = { factor: 1.25, bytes: 8_388_608 };
const goneWithin = 10_000; // 10 s for sockets to close

/**
 * Clients come, call, renew, listen and leave, for minutes, and nodes are restarted. Nothing may
 * pile up.
 */
export const soak: Fault = {
  name: "Soak: clients connect, call, refresh, subscribe and leave; nodes are restarted",
  async run({ clients, minutes }, tally) {
    const redis = await RedisServer.start();
    try {
      await using fleet = await Fleet.start({ nodes: 3, redisUrl: redis.url, tokenTtl: 10_000 });
      const [first] = fleet.nodes;
      if (first === undefined) throw new Error("no node");
      const before = await first.figures();
      const heaps: number[] = [];
      const endsAt = performance.now() + minutes * 60_000;
      await using crowd = await Crowd.gather(fleet, tally, { clients, pace: 4 * clients });
      let restarts = 0;
      for (let n = 1; performance.now() < endsAt; n++) {
        await Promise.all([crowd.churn(Math.ceil(clients / 20)), pause(turn)]);
        if (n % turnsToRestart === 0) await restartGently(fleet, 1 + (restarts++ % 2), tally);
        heaps.push((await first.figures()).heapUsed);
      }
      await crowd.settle();
      nothingLost(tally);
      judgeHeap(heaps, tally);
      await gone(() => first.figures(), before, tally);
      const mebibytes = (bytes: number | undefined) => ((bytes ?? 0) / 1_048_576).toFixed(1);
      const heap = `heap of a node ${mebibytes(heaps[0])} MiB at first, ${mebibytes(heaps.at(-1))} at the end`;
      return `${minutes} min, 3 nodes, ${clients} clients at a time, ${crowd.made} in all, ${restarts} restarts; ${heap}`;
    } finally {
      await redis.stop();
    }
  },
};

/**
 * Is the memory of the last third that of the first? The smallest of each: a heap is collected when
 * it likes.
 */
export function judgeHeap(heaps: readonly number[], tally: Pick<Tally, "violation">): void {
  const third = Math.max(1, Math.floor(heaps.length / 3));
  const [first, last] = [Math.min(...heaps.slice(0, third)), Math.min(...heaps.slice(-third))];
  if (last > first * tolerance.factor + tolerance.bytes)
    tally.violation(`the heap grew from ${first} to ${last} bytes`);
}

/** When everybody has left, a node holds what it held before anybody came. */
export async function gone(
  figures: () => Promise<NodeFigures>,
  before: NodeFigures,
  tally: Pick<Tally, "violation">,
  timeoutMs = goneWithin,
): Promise<void> {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    const left = leftOver(before, await figures());
    if (left.length === 0) return;
    if (performance.now() > endsAt) return tally.violation(`left over: ${left.join(", ")}`);
    await pause(100);
  }
}

function leftOver(before: NodeFigures, now: NodeFigures): readonly string[] {
  const timersOf = ({ resources }: NodeFigures) => resources.Timeout ?? 0;
  const left = Object.entries(now.objects).filter(
    ([name, count]) => count > (before.objects[name] ?? 0),
  );
  const told = left.map(([name, count]) => `${count} ${name}`);
  if (now.connections > 0) told.push(`${now.connections} connections`);
  if (timersOf(now) > timersOf(before) + 2)
    // HTTP and Redis have some now and then
    told.push(`${timersOf(now)} timers, ${timersOf(before)} before`);
  return told;
}
