import { expect } from "chai";
import { redisStore } from "../../../../src/store/redis/index.js";
import { hasRedis, RedisServer } from "../../../helpers/redis-server.js";
import { needs } from "../../../helpers/requirement.js";

describe("A node whose clock is an hour ahead", () => {
  let redis: RedisServer;

  before(async function () {
    needs(this, "Redis", hasRedis);
    redis = await RedisServer.start();
  });

  after(() => redis?.stop());

  it("sweeps no revocation that stands by Redis's clock, and writes it back into a Redis that has lost it", async () => {
    const now = Date.now() / 1_000;
    const wrong = redisStore({ url: redis.url, clock: { now: () => Date.now() + 3_600_000, monotonic: () => 0, after: () => () => {} } });
    const right = redisStore({ url: redis.url });
    try {
      await wrong.revocations.add({ jti: "stands", until: now + 900 });
      await wrong.revocations.add({ jti: "over", until: now - 1 });
      expect((await wrong.revocations.list(now + 3_600)).map(({ jti }) => jti)).to.deep.equal(["stands"]);
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
});
