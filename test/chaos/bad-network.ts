import { setTimeout as pause } from "node:timers/promises";
import { TcpProxy } from "../helpers/network/tcp-proxy.js";
import { RedisServer } from "../helpers/redis/redis-server.js";
import { Crowd } from "./crowd.js";
import type { ChaosSettings, Fault } from "./fault.js";
import { Fleet } from "./fleet.js";
import type { Tally } from "./tally.js";

const random = (least: number, most: number) => least + Math.random() * (most - least);
const lasts = 600; // ms that a bad network stays bad

interface Weather {
  readonly name: string;
  readonly begin: (proxy: TcpProxy) => void;
}

const kinds: readonly Weather[] = [
  {
    name: "delays every chunk by 50 to 250 ms",
    begin: (proxy) => proxy.impair({ delay: random(50, 250) }),
  },
  {
    name: "cuts connections after some hundred bytes",
    begin: (proxy) => proxy.impair({ cutAfter: random(50, 2_000) }),
  },
  { name: "half-closes connections", begin: (proxy) => proxy.halfClose() },
  { name: "resets connections", begin: (proxy) => proxy.cut() },
];

/** A proxy of our own between the clients and the nodes, and between the nodes and their Redis. */
export const badNetworks: readonly Fault[] = kinds.flatMap((kind) => [
  {
    name: `Network before the servers ${kind.name}`,
    run: (settings, tally) => beforeServers(kind, settings, tally),
  },
  {
    name: `Network before Redis ${kind.name}`,
    run: (settings, tally) => beforeRedis(kind, settings, tally),
  },
]);

async function beforeServers(
  kind: Weather,
  { clients, times }: ChaosSettings,
  tally: Tally,
): Promise<string> {
  const redis = await RedisServer.start();
  try {
    await using fleet = await Fleet.start({ nodes: 1, redisUrl: redis.url, tokenTtl: 6_000 });
    await using proxy = await TcpProxy.listen();
    proxy.leadTo(fleet.any().settings.port);
    const url = `ws://127.0.0.1:${proxy.port}/rpc`;
    await using crowd = await Crowd.gather(fleet, tally, {
      clients,
      pace: 4 * clients,
      url: () => url,
    });
    await storm(proxy, kind, times, crowd);
    await crowd.settle();
    return `${times} times, 1 node, ${clients} clients`;
  } finally {
    await redis.stop();
  }
}

async function beforeRedis(
  kind: Weather,
  { clients, times }: ChaosSettings,
  tally: Tally,
): Promise<string> {
  const redis = await RedisServer.start();
  try {
    await using proxy = await TcpProxy.listen();
    proxy.leadTo(redis.port);
    await using fleet = await Fleet.start({
      nodes: 2,
      redisUrl: `redis://127.0.0.1:${proxy.port}`,
      tokenTtl: 6_000,
    });
    await using crowd = await Crowd.gather(fleet, tally, { clients, pace: 4 * clients });
    await storm(proxy, kind, times, crowd);
    await crowd.settle();
    return `${times} times, 2 nodes, ${clients} clients`;
  } finally {
    await redis.stop();
  }
}

async function storm(proxy: TcpProxy, kind: Weather, times: number, crowd: Crowd): Promise<void> {
  for (let n = 0; n < times; n++) {
    kind.begin(proxy);
    await pause(lasts);
    proxy.impair({});
    await crowd.whenReady();
  }
}
