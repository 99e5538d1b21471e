import { setTimeout as pause } from "node:timers/promises";
import { eventually } from "../helpers/eventually.js";
import { RedisServer } from "../helpers/redis/redis-server.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { Crowd } from "./crowd.js";
import type { Fault } from "./fault.js";
import { Fleet } from "./fleet.js";
import { login, revoke } from "./login.js";
import type { NodeProcess } from "./node-process.js";
import type { Tally } from "./tally.js";

const recoveryLimit = 15_000; // 15 s; what it took is in the scoreboard
const tokenRevoked = -32005;

interface Outage {
  readonly name: string;
  /** Does Redis keep what it has acknowledged? */
  readonly keeps: boolean;
  readonly leave: (redis: RedisServer) => Promise<void>;
  readonly comeBack: (redis: RedisServer) => Promise<void>;
}

const kill = (redis: RedisServer) => redis.kill();
const restart = (redis: RedisServer) => redis.restart();

const outages: readonly Outage[] = [
  {
    name: "SIGKILL of Redis, which keeps what it has acknowledged",
    keeps: true,
    leave: kill,
    comeBack: restart,
  },
  {
    name: "SIGSTOP of Redis: it hangs",
    keeps: true,
    leave: async (redis) => redis.hang(),
    comeBack: async (redis) => redis.goOn(),
  },
  { name: "Redis restarted empty", keeps: false, leave: kill, comeBack: restart },
];

/** Redis goes and comes back. What was revoked before must be refused by every node ever after. */
export const redisFaults: readonly Fault[] = outages.map((outage) => ({
  name: outage.name,
  async run({ clients, times }, tally) {
    const redis = await RedisServer.start(outage.keeps ? { appendfsync: "always" } : {});
    try {
      await using fleet = await Fleet.start({ nodes: 3, redisUrl: redis.url, tokenTtl: 20_000 });
      await using crowd = await Crowd.gather(fleet, tally, {
        clients,
        pace: 4 * clients,
        mayForget: !outage.keeps,
      });
      const revoked: string[] = [];
      for (let n = 0; n < times; n++) {
        // users that were missing are closed for a while
        const victim = await eventually(() => login(fleet.any().url, n), recoveryLimit);
        await revoke(fleet.any().url, victim.refresh_token);
        revoked.push(victim.access_token);
        await outage.leave(redis);
        await pause(500 + Math.random() * 1_000);
        await outage.comeBack(redis);
        const returnedAt = performance.now();
        if (!outage.keeps) await fleet.addUsers();
        await Promise.all(fleet.nodes.map((node) => recovered(node, n, tally)));
        tally.recoveries.push(performance.now() - returnedAt);
        for (const node of fleet.nodes) await refusedBy(node, revoked.slice(-3), tally);
      }
      await crowd.settle();
      return `${times} times, 3 nodes, ${clients} clients`;
    } finally {
      await redis.stop();
    }
  },
}));

/** Until a login and its session are taken. */
async function recovered(node: NodeProcess, user: number, tally: Tally): Promise<void> {
  const endsAt = performance.now() + recoveryLimit;
  for (;;) {
    try {
      const { access_token: token } = await login(node.url, user);
      const client = await RawClient.connect(node.url);
      const { error } = await client.authenticate(token);
      await client.close();
      if (error === undefined) return;
      throw new Error(String(error.code));
    } catch (error) {
      if (performance.now() > endsAt)
        return tally.violation(`a node did not recover within ${recoveryLimit} ms: ${error}`);
      await pause(50);
    }
  }
}

/** No node may take what was revoked before the outage. */
export async function refusedBy(
  node: NodeProcess,
  revoked: readonly string[],
  tally: Tally,
): Promise<void> {
  for (const token of revoked) {
    const client = await RawClient.connect(node.url);
    const { error } = await client.authenticate(token);
    await client.close();
    if (error === undefined) {
      tally.servedLate++;
      tally.violation("a revoked token was accepted");
    } else if (error.code !== tokenRevoked) tally.failed(`authenticate ${error.code}`);
  }
}
