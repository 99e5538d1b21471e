/**
 * Peers that mean harm, each in a process of its own, against a server with a small heap; and what
 * a healthy user sees meanwhile.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Attack, HostilePeer } from "../helpers/server/attack.js";
import type { RawClient } from "../helpers/server/raw-client.js";
import { ServerProcess } from "../helpers/server/server-process.js";
import { percentile } from "./tally.js";

export interface Hostility {
  /** What the peers do. */
  readonly what: string;
  readonly attack: Attack["name"];
  readonly connections: number;
}

/** What a healthy user saw. */
export interface HostileScore {
  readonly what: string;
  /** Round trips of a ping, milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly pings: number;
  /** Bytes in use after a collection, before the attack and under it. */
  readonly heapBefore: number;
  readonly heapUnder: number;
  readonly violations: readonly string[];
}

/** MiB. */
export const hostileHeap = 512;
const maxMedian = 10; // ms
const maxGrowth = 134_217_728; // 128 MiB

export const hostilities: readonly Hostility[] = [
  {
    what: "batches of re-subscriptions with `$since` to a history of 1,000 × 1 KB, nothing read",
    attack: "replays",
    connections: 1,
  },
  {
    what: "batches of 50 calls of a synchronous method with a 20 KB result, nothing read",
    attack: "results",
    connections: 12,
  },
  { what: "batches of 50 `rpc.discover`, nothing read", attack: "discoveries", connections: 12 },
  {
    what: "anonymous frames of 16 KB with an escape, as fast as they are taken",
    attack: "escapes",
    connections: 20,
  },
  {
    what: "authenticated frames of 20 KB, as fast as they are taken",
    attack: "large",
    connections: 1,
  },
  {
    what: "subscriptions to made-up names of a topic with history",
    attack: "madeUpTopics",
    connections: 4,
  },
  {
    what: "expired tokens of the healthy user's address",
    attack: "expiredTokens",
    connections: 10,
  },
  {
    what: "60 calls in one go behind `authenticate`, again and again",
    attack: "framesBehindLogin",
    connections: 4,
  },
];

/** `seconds`: how long it is done. */
export async function suffer(
  { what, attack, connections }: Hostility,
  seconds: number,
): Promise<HostileScore> {
  await using server = await ServerProcess.start({}, hostileHeap);
  const [healthy, observer] = [await server.login(), await server.login()];
  const { heapUsed: heapBefore } = await server.memory(observer);
  const claims = attack === "expiredTokens" ? { iat: 1_000, exp: 2_000 } : { scope: "numbers:add" };
  await using _peers = await HostilePeer.start({
    name: attack,
    url: server.url,
    token: server.token(claims),
    connections,
  });
  const pings = await pingFor(healthy, seconds * 1_000);
  const { heapUsed: heapUnder } = await server.memory(observer);
  const [p50 = Number.NaN, p99 = Number.NaN] = [percentile(pings, 50), percentile(pings, 99)];
  // throws when a user of the same address is kept out
  if (attack === "expiredTokens") await (await server.login()).close();
  const violations = [
    ...(p50 <= maxMedian ? [] : [`a ping took ${p50.toFixed(1)} ms in the median`]),
    ...(heapUnder - heapBefore <= maxGrowth
      ? []
      : [`the heap has grown by ${heapUnder - heapBefore} bytes`]),
    ...server.complaints,
  ];
  return {
    what: `${connections} × ${what}`,
    p50,
    p99,
    pings: pings.length,
    heapBefore,
    heapUnder,
    violations,
  };
}

async function pingFor(client: RawClient, duration: number): Promise<number[]> {
  const times = [];
  for (const endsAt = performance.now() + duration; performance.now() < endsAt; ) {
    const startedAt = performance.now();
    await client.call("ping");
    times.push(performance.now() - startedAt);
    await pause(5);
  }
  return times;
}
