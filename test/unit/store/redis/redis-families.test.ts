import { expect } from "chai";
import { assert, asyncProperty, boolean, constantFrom, integer, record } from "fast-check";
import { type RedisStore, redisStore } from "../../../../src/store/redis/index.js";
import { decideRotation, hasEnded } from "../../../../src/store/refresh-token-rotation.js";
import type { FamilyRecord } from "../../../../src/store/store.js";
import { hasRedis, RedisServer } from "../../../helpers/redis/redis-server.js";
import { requires } from "../../../helpers/requirement.js";

describe("The rotation of refresh tokens in Redis", () => {
  let redis: RedisServer;
  let store: RedisStore;

  before(async function () {
    requires(this, "Redis", hasRedis);
    redis = await RedisServer.start();
    store = redisStore({ url: redis.url, timeout: 5_000 });
  });

  after(async () => {
    await store?.close();
    await redis?.stop();
  });

  // with fractions, and many of them equal
  const times = integer({ min: 0, max: 12 }).map((tenths) => 1_790_000_000 + tenths / 10);
  const hashes = constantFrom("one", "two", "three");
  const families = record({
    clientId: constantFrom("web", "app"),
    currentHash: hashes,
    previousHash: constantFrom("one", "two", "three", ""),
    rotatedAt: times,
    endsAt: times,
    idleUntil: times,
    revoked: boolean(),
  });
  const rotations = record({
    clientId: constantFrom("web", "app"),
    presentedHash: constantFrom("one", "two", "three", ""),
    now: times,
    reuseWindow: constantFrom(0, 0.1, 0.3, 1),
    idleTtl: constantFrom(0.1, 0.5, 2),
  });

  it("follows the same rules as everywhere: same outcome, same family after it", async function () {
    this.timeout(60_000);
    const seen = new Set<string>();
    const check = async (
      family: FamilyRecord,
      use: Parameters<typeof store.families.rotate>[0],
    ): Promise<void> => {
      const { result, write } = decideRotation(family, use);
      await store.families.add(family);
      expect(await store.families.rotate(use)).to.deep.equal(result);
      expect(await store.families.get(family.id)).to.deep.equal(
        hasEnded(family, use.now) ? undefined : (write ?? family),
      );
      seen.add(result.outcome);
    };
    await assert(
      asyncProperty(families, rotations, (some, use) =>
        check(
          {
            ...some,
            id: "f",
            subject: "ada",
            scopes: ["a"],
            credentialVersion: "1",
            generation: 1,
            createdAt: 1_790_000_000,
          },
          { ...use, familyId: "f", generation: 2, nextHash: "next" },
        ),
      ),
      { numRuns: 1_000 },
    );
    expect([...seen]).to.have.members(["rotated", "repeated", "reused", "revoked", "unknown"]);
  });

  it("forgets a family at its new end, not at the old one", async () => {
    const times = { createdAt: 1, rotatedAt: 1, endsAt: 1_000, idleUntil: 100 };
    const hashes = { currentHash: "one", previousHash: "" };
    const whose = { id: "g", subject: "ada", clientId: "web", scopes: [], credentialVersion: "1" };
    await store.families.add({ ...whose, ...times, ...hashes, generation: 1, revoked: false });
    const use = {
      familyId: "g",
      clientId: "web",
      presentedHash: "one",
      generation: 2,
      nextHash: "two",
    };
    await store.families.rotate({ ...use, now: 50, reuseWindow: 10, idleTtl: 200 });
    expect(await store.families.sweep(100)).to.equal(0);
    expect(await store.families.sweep(250)).to.equal(1);
    expect(await store.families.get("g")).to.equal(undefined);
  });

  it("leaves nothing of a family that it forgets", async () => {
    const own = redisStore({ url: redis.url, prefix: "swept", timeout: 5_000 });
    const times = { createdAt: 1, rotatedAt: 1, endsAt: 100, idleUntil: 100 };
    const whose = {
      id: "h",
      subject: "grä\0ce",
      clientId: "web",
      scopes: [],
      credentialVersion: "1",
      generation: 1,
      revoked: false,
    };
    await own.families.add({ ...whose, ...times, currentHash: "one", previousHash: "" });
    expect(await redis.command("KEYS", "swept:subject:*")).to.include("swept:subject:");
    expect(await own.families.sweep(100)).to.equal(1);
    // of subjects and families
    expect(await redis.command("KEYS", "swept:[sf]*")).to.equal("*0\r\n");
    await own.close();
  });
});
