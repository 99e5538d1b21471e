import { expect } from "chai";
import { topicStorm } from "../helpers/models/topic-storm.js";
import { hasRedis, RedisServer } from "../helpers/redis/redis-server.js";
import { requires } from "../helpers/requirement.js";

/** The short form; `test/chaos/topic-storm.ts` runs the long one. */
describe("A topic on three nodes", function () {
  this.timeout(60_000);
  let redis: RedisServer;

  before(async function () {
    requires(this, "Redis", hasRedis);
    redis = await RedisServer.start();
  });

  after(() => redis?.stop());

  it("reaches 300 subscribers that come and go: every event once and in order, and who comes back elsewhere misses none", async () => {
    const outcome = await topicStorm({
      redisUrl: redis.url,
      nodes: 3,
      events: 500,
      subscribers: 300,
      churn: 300,
      history: 1_000,
    });
    expect(outcome.faults).to.deep.equal([]);
    expect(outcome).to.include({ delivered: 500 * 300, resumed: 300, gapsTold: 0, complete: 300 });
  });

  it("tells a gap to whoever comes back too late for its history", async () => {
    const outcome = await topicStorm({
      redisUrl: redis.url,
      nodes: 3,
      events: 2_000,
      subscribers: 20,
      churn: 40,
      history: 5,
    });
    expect(outcome.faults).to.deep.equal([]);
    expect(outcome.gapsTold).to.be.above(0);
    expect(outcome.complete).to.equal(20);
  });
});
