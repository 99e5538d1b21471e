import { expect } from "chai";
import { fileStore } from "../../src/store/file/file-store.js";
import { memoryStore } from "../../src/store/memory/memory-store.js";
import { redisStore } from "../../src/store/redis/index.js";
import type { FamilyRecord, Store } from "../../src/store/store.js";
import { hasRedis, RedisServer } from "../helpers/redis/redis-server.js";
import { requires } from "../helpers/requirement.js";
import { withFolder } from "../helpers/temporary-folder.js";

const races = 200;
const uses = 100;

/**
 * So many uses of one refresh token at the same time, in turn by each of the nodes; as many races.
 * Returns how many had one winner.
 */
async function fairRaces(nodes: readonly Store[], reuseWindow: number): Promise<number> {
  let fair = 0;
  for (let race = 0; race < races; race++) {
    const family = familyOf(`race-${race}`);
    await nodes[0]?.families.add(family);
    const rotation = {
      familyId: family.id,
      clientId: "web",
      presentedHash: "one",
      generation: 2,
      nextHash: "two",
      now: 10,
      idleTtl: 100,
    };
    const calls = Array.from({ length: uses }, (_, n) =>
      nodes[n % nodes.length]?.families.rotate({ ...rotation, reuseWindow }),
    );
    const outcomes = (await Promise.all(calls)).map((result) => result?.outcome);
    const winners = outcomes.filter((outcome) => outcome === "rotated").length;
    const others = outcomes.filter(
      (outcome) => outcome === (reuseWindow > 0 ? "repeated" : "revoked"),
    ).length;
    const thieves = outcomes.filter((outcome) => outcome === "reused").length;
    if (
      winners === 1 &&
      thieves === (reuseWindow > 0 ? 0 : 1) &&
      others === uses - winners - thieves
    )
      fair++;
  }
  return fair;
}

function familyOf(id: string): FamilyRecord {
  const whose = {
    id,
    subject: "ada",
    clientId: "web",
    scopes: [],
    credentialVersion: "1",
    generation: 1,
    revoked: false,
  };
  return {
    ...whose,
    currentHash: "one",
    previousHash: "",
    createdAt: 0,
    rotatedAt: 0,
    endsAt: 1_000,
    idleUntil: 1_000,
  };
}

describe(`Of ${uses} uses of one refresh token at the same time, exactly one wins, in ${races} of ${races} races`, function () {
  this.timeout(120_000);

  it("on the memory store", async () => {
    expect(await fairRaces([memoryStore()], 0)).to.equal(races);
    expect(await fairRaces([memoryStore()], 10)).to.equal(races);
  });

  it("on the file store", async () => {
    await withFolder(async (folder) => {
      const store = fileStore(folder);
      expect(await fairRaces([store], 0)).to.equal(races);
      await store.close();
    });
  });

  it("on the Redis store, used by two nodes", async function () {
    requires(this, "Redis", hasRedis);
    const redis = await RedisServer.start();
    const nodes = [redisStore({ url: redis.url }), redisStore({ url: redis.url })];
    try {
      expect(await fairRaces(nodes, 0)).to.equal(races);
      expect(await fairRaces(nodes, 10)).to.equal(races);
    } finally {
      for (const node of nodes) await node.close();
      await redis.stop();
    }
  });
});
