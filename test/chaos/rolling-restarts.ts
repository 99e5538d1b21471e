import { RedisServer } from "../helpers/redis/redis-server.js";
import { Crowd } from "./crowd.js";
import type { Fault } from "./fault.js";
import { Fleet } from "./fleet.js";
import type { Tally } from "./tally.js";

/**
 * Each node in turn drains, ends and comes back. Nobody may notice: here a call whose outcome is
 * not known is a lost call.
 */
export const rollingRestarts: Fault = {
  name: "Rolling restart: SIGTERM drains one node after the other",
  async run({ clients }, tally) {
    const redis = await RedisServer.start();
    try {
      await using fleet = await Fleet.start({ nodes: 3, redisUrl: redis.url, tokenTtl: 20_000 });
      await using crowd = await Crowd.gather(fleet, tally, { clients, pace: 4 * clients });
      for (const [index] of fleet.nodes.entries()) {
        await restartGently(fleet, index, tally);
        await crowd.whenReady();
      }
      await crowd.settle();
      nothingLost(tally);
      return `3 nodes, ${clients} clients`;
    } finally {
      await redis.stop();
    }
  },
};

/** SIGTERM, and a new process on the same port. */
export async function restartGently(fleet: Fleet, index: number, tally: Tally): Promise<void> {
  const node = fleet.nodes[index];
  if (node === undefined) throw new RangeError(`no node ${index}`);
  const code = await node.stop();
  if (code !== 0) tally.violation(`a node that was told to end did so with ${code}`);
  await node.restart();
}

/** Every call has a result. */
export function nothingLost(tally: Tally): void {
  if (tally.unknown > 0) tally.violation(`${tally.unknown} calls were lost with their connection`);
  if (tally.failures !== "") tally.violation(`calls failed: ${tally.failures}`);
}
