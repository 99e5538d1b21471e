import { setTimeout as pause } from "node:timers/promises";
import { type RedisStore, redisStore, StoreUnavailableError } from "../../src/store/redis/index.js";
import { eventually } from "../helpers/eventually.js";
import { RedisServer } from "../helpers/redis/redis-server.js";
import type { Fault } from "./fault.js";
import type { Tally } from "./tally.js";

const cyclesATime = 20;
const writers = 8;
const lifetime = 3_600; // s

/**
 * Redis is killed in the midst of logins, rotations and revocations, and asked for them by somebody
 * who does not remember any.
 */
export const redisKills: Fault = {
  name: "SIGKILL of Redis in the midst of writes, with appendfsync always",
  async run({ times }, tally) {
    const cycles = cyclesATime * times;
    const redis = await RedisServer.start({ appendfsync: "always" });
    try {
      for (let cycle = 0; cycle < cycles; cycle++) {
        const acknowledged = await writeUntilKilled(redis, cycle);
        const killedAt = performance.now();
        await redis.restart();
        await judge(redis, acknowledged, tally);
        tally.recoveries.push(performance.now() - killedAt);
      }
      return `${cycles} kills, ${tally.acknowledged.size} writes`;
    } finally {
      await redis.stop();
    }
  },
};

/**
 * Ids of logins that were acknowledged, with how far each came. The store that made them is closed:
 * it would write back what it knows.
 */
async function writeUntilKilled(
  redis: RedisServer,
  cycle: number,
): Promise<ReadonlyMap<string, Progress>> {
  const store = redisStore({ url: redis.url, timeout: 2_000 });
  const acknowledged = new Map<string, Progress>();
  const writing = Array.from({ length: writers }, (_, n) =>
    write(store, `${cycle}-${n}`, acknowledged),
  );
  await eventually(() => {
    if (acknowledged.size < writers) throw new Error("nothing was written yet");
  });
  await pause(Math.random() * 50);
  await redis.kill();
  await Promise.all(writing);
  await store.close();
  return acknowledged;
}

const steps = ["added", "rotated", "revoked"] as const;
type Progress = (typeof steps)[number];

async function write(
  store: RedisStore,
  writer: string,
  acknowledged: Map<string, Progress>,
): Promise<void> {
  try {
    for (let n = 0; ; n++) {
      const id = `${writer}-${n}`;
      const now = Math.floor(Date.now() / 1_000);
      const whose = {
        id,
        subject: writer,
        clientId: "web",
        scopes: [],
        credentialVersion: "1",
        generation: 1,
        revoked: false,
      };
      const ends = {
        createdAt: now,
        rotatedAt: now,
        endsAt: now + lifetime,
        idleUntil: now + lifetime,
      };
      await store.families.add({ ...whose, ...ends, currentHash: "one", previousHash: "" });
      acknowledged.set(id, "added");
      const use = {
        familyId: id,
        clientId: "web",
        presentedHash: "one",
        generation: 2,
        nextHash: "two",
        now,
      };
      await store.families.rotate({ ...use, reuseWindow: 10, idleTtl: lifetime });
      acknowledged.set(id, "rotated");
      await store.revocations.add({ sessionId: id, until: now + lifetime });
      acknowledged.set(id, "revoked");
    }
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
  }
}

async function judge(
  redis: RedisServer,
  acknowledged: ReadonlyMap<string, Progress>,
  tally: Tally,
): Promise<void> {
  const store = redisStore({ url: redis.url });
  try {
    const standing = new Set(
      (await store.revocations.list(Date.now() / 1_000)).map(({ sessionId }) => sessionId),
    );
    for (const [id, progress] of acknowledged) {
      const family = await store.families.get(id);
      const isKept = family !== undefined && (progress === "added" || family.currentHash === "two");
      for (const step of steps.slice(0, steps.indexOf(progress) + 1))
        tally.acknowledged.add(`${id} ${step}`);
      if (isKept && (progress !== "revoked" || standing.has(id))) continue;
      tally.lost++;
      tally.violation(`a login that was ${progress} is not any more`);
    }
  } finally {
    await store.close();
  }
}
