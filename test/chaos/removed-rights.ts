import { setTimeout as pause } from "node:timers/promises";
import { RedisServer } from "../helpers/redis/redis-server.js";
import { type Removal, RightsLoad } from "../helpers/redis/rights-load.js";
import type { Fault } from "./fault.js";
import { percentile, type Tally } from "./tally.js";

const nodes = 3;
const removalsATime = 10;
const fullForm = 10; // times: fewer are too few for a 99th percentile
const aim = 250; // ms from the removal to the last event on any node, 99th percentile

/** Rights are taken away on one node while their users hear events on all of them. */
export const removedRights: readonly Fault[] = [
  {
    name: "A right removed on one of three nodes, under load",
    async run({ times }, tally) {
      return withLoad(times, tally, async (load) => {
        const told: number[] = [];
        for (let n = 0; n < removalsATime * times; n++) {
          const removal = await load.remove(n);
          if (removal.result?.complete !== true) tally.violation("a removal was not complete");
          told.push(Math.max(0, (await load.told(n)) - removal.answeredAt));
          await load.goesOn(removalsATime * times, 1);
          judge(load, n, removal.answeredAt, tally);
          tally.recoveries.push(Math.max(0, load.lastEvent(n) - removal.startedAt));
        }
        const p99 = percentile(tally.recoveries, 99) ?? 0;
        if (times >= fullForm && p99 >= aim)
          tally.violation(`the last event came ${p99.toFixed(0)} ms after a removal`);
        const toldIn = percentile(told, 99)?.toFixed(0);
        return [
          `${told.length} removals, told within ${toldIn} ms (p99) of the answer`,
          "recovery: from the removal to the last event on any node",
        ].join("; ");
      });
    },
  },
  {
    name: "A right removed on one of three nodes, and Redis killed and restarted meanwhile",
    async run({ times }, tally) {
      return withLoad(times, tally, async (load, redis) => {
        let incomplete = 0;
        for (let cycle = 0; cycle < times; cycle++) {
          await load.whole();
          const first = cycle * removalsATime;
          const users = Array.from({ length: removalsATime }, (_, n) => first + n);
          const removing = users.map((n) => pause((n - first) * 20).then(() => load.remove(n)));
          await pause(Math.random() * removalsATime * 20);
          await redis.kill();
          const removals = await Promise.all(removing);
          await redis.restart();
          const returnedAt = performance.now();
          incomplete += removals.filter(({ result }) => result?.complete !== true).length;
          for (const n of users) await awaitTold(load, n, removals[n - first], returnedAt, tally);
          tally.recoveries.push(performance.now() - returnedAt);
        }
        if (load.warnings < incomplete)
          tally.violation(`${incomplete} removals were not complete, ${load.warnings} were told`);
        return [
          `${times} kills, ${removalsATime * times} removals`,
          `${incomplete} of them not complete, and told`,
          "recovery: from the return until each node has asked again",
        ].join("; ");
      });
    },
  },
];

async function withLoad(
  times: number,
  tally: Tally,
  work: (load: RightsLoad, redis: RedisServer) => Promise<string>,
): Promise<string> {
  const redis = await RedisServer.start({ appendfsync: "everysec" });
  try {
    const staying = removalsATime * times;
    await using load = await RightsLoad.start(redis.url, nodes, staying + 1, 5);
    await load.goesOn(staying);
    const what = await work(load, redis);
    await load.goesOn(staying); // who has kept the right hears on
    tally.eventsHeard = load.heard;
    tally.servedLate += load.late;
    if (load.late > 0) tally.violation(`${load.late} events came behind the end`);
    return `${what}; ${load.published} events, ${nodes} nodes in one process`;
  } finally {
    await redis.stop();
  }
}

/** Every connection of the user is told, and no event of later than `moment` has come to any. */
async function awaitTold(
  load: RightsLoad,
  n: number,
  removal: Removal | undefined,
  returnedAt: number,
  tally: Tally,
): Promise<void> {
  const isComplete = removal?.result?.complete === true;
  try {
    await load.told(n);
  } catch (error) {
    tally.violation(String(error));
  }
  judge(load, n, isComplete ? removal.answeredAt : returnedAt, tally);
}

function judge(load: RightsLoad, n: number, moment: number, tally: Tally): void {
  const late = load.eventsAfter(n, moment);
  tally.servedLate += late;
  if (late > 0) tally.violation(`user ${n} got ${late} events that were published too late`);
}
