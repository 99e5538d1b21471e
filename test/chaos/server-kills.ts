import { setTimeout as pause } from "node:timers/promises";
import { RedisServer } from "../helpers/redis/redis-server.js";
import { Crowd } from "./crowd.js";
import type { Fault } from "./fault.js";
import { Fleet } from "./fleet.js";

/** A node dies in the middle of calls, refreshes and events, and comes back on its port. */
export const serverKills: Fault = {
  name: "SIGKILL of a server under load",
  async run({ clients, times }, tally) {
    const redis = await RedisServer.start();
    try {
      await using fleet = await Fleet.start({ nodes: 3, redisUrl: redis.url, tokenTtl: 4_000 });
      await using crowd = await Crowd.gather(fleet, tally, { clients, pace: 4 * clients });
      const kills = 2 * times;
      for (let n = 0; n < kills; n++) {
        const victim = fleet.any();
        await pause(Math.random() * 200);
        await victim.kill();
        await victim.restart();
        await crowd.whenReady();
      }
      await crowd.settle();
      return `${kills} kills, 3 nodes, ${clients} clients`;
    } finally {
      await redis.stop();
    }
  },
};
