import { expect } from "chai";
import { type RedisStore, redisStore } from "../../../../src/store/redis/index.js";
import { hasRedis, RedisServer } from "../../../helpers/redis/redis-server.js";
import { requires } from "../../../helpers/requirement.js";

describe("A node whose clock is ahead", () => {
  let redis: RedisServer;

  before(async function () {
    requires(this, "Redis", hasRedis);
    redis = await RedisServer.start();
  });

  after(() => redis?.stop());

  it("by an hour, sweeps no revocation that stands by Redis's clock, and writes it back into a Redis that has lost it", async () => {
    const now = Date.now() / 1_000;
    const wrong = redisStore({
      url: redis.url,
      testing: {
        clock: { now: () => Date.now() + 3_600_000, monotonic: () => 0, after: () => () => {} },
      },
    });
    const right = redisStore({ url: redis.url });
    try {
      await wrong.revocations.add({ jti: "stands", until: now + 900 });
      await wrong.revocations.add({ jti: "over", until: now - 1 });
      expect((await wrong.revocations.list(now + 3_600)).map(({ jti }) => jti)).to.deep.equal([
        "stands",
      ]);
      expect(wrong.revocations.now?.()).to.be.within(now - 1, now + 30);
      await redis.kill();
      await redis.restart();
      await wrong.attempts.get("k").catch(() => {}); // may find that the connection is gone
      await wrong.attempts.get("k");
      expect((await right.revocations.list(now)).map(({ jti }) => jti)).to.deep.equal(["stands"]);
    } finally {
      await Promise.all([wrong.close(), right.close()]);
    }
  });

  it("by an hour, rotates and sweeps by Redis's clock, and gives a family no longer life", async () => {
    await withWallClock(3_600_000, async (store, now) => {
      await store.families.add({
        ...family,
        id: "stands",
        endsAt: now + 100,
        idleUntil: now + 100,
      });
      await store.families.add({ ...family, id: "over", endsAt: now - 1, idleUntil: now - 1 });
      expect(await store.families.sweep(now + 3_600)).to.equal(1);
      const outcome = await store.families.rotate({
        ...use,
        familyId: "stands",
        now: now + 3_600,
        idleTtl: 50,
      });
      expect(outcome.outcome).to.equal("rotated");
      const { rotatedAt = 0, idleUntil = 0 } = (await store.families.get("stands")) ?? {};
      expect(rotatedAt).to.be.within(now - 2, now + 2);
      expect(idleUntil).to.be.within(now + 48, now + 52);
      const late = { ...use, familyId: "stands", now: now + 3_600 + 101, presentedHash: "two" };
      expect(await store.families.rotate(late)).to.deep.equal({ outcome: "unknown" });
    });
  });

  it("by less than 5 s, is taken at its word", async () => {
    await withWallClock(3_000, async (store, now) => {
      await store.families.add({ ...family, id: "near", endsAt: now + 100, idleUntil: now + 100 });
      expect(
        (await store.families.rotate({ ...use, familyId: "near", now: now + 3, idleTtl: 50 }))
          .outcome,
      ).to.equal("rotated");
      expect(await store.families.get("near")).to.include({
        rotatedAt: now + 3,
        idleUntil: now + 53,
      });
    });
  });

  const family = {
    ...{
      subject: "ada",
      clientId: "web",
      scopes: [],
      credentialVersion: "1",
      generation: 1,
      revoked: false,
    },
    ...{ currentHash: "one", previousHash: "", createdAt: 1, rotatedAt: 1 },
  };
  const use = {
    clientId: "web",
    presentedHash: "one",
    generation: 2,
    nextHash: "two",
    reuseWindow: 10,
    idleTtl: 200,
  };

  /**
   * A store in a process whose wall clock is ahead of Redis's by so many milliseconds, and the true
   * time, in seconds.
   */
  async function withWallClock(
    ahead: number,
    work: (store: RedisStore, now: number) => Promise<void>,
  ): Promise<void> {
    const store = redisStore({ url: redis.url, prefix: `ahead-${ahead}` });
    const trueNow = Date.now;
    Date.now = () => trueNow() + ahead;
    try {
      await work(store, trueNow() / 1_000);
    } finally {
      Date.now = trueNow;
      await store.close();
    }
  }
});
