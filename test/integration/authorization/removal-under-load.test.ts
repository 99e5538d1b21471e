import { expect } from "chai";
import { hasRedis, RedisServer } from "../../helpers/redis/redis-server.js";
import { RightsLoad } from "../../helpers/redis/rights-load.js";
import { requires } from "../../helpers/requirement.js";

const users = 12;
const removed = 6; // the others stay

describe("A right that is taken away under load, on several nodes on one Redis,", function () {
  this.timeout(120_000);
  let redis: RedisServer;

  before(async function () {
    requires(this, "Redis", hasRedis);
    redis = await RedisServer.start();
  });

  after(() => redis?.stop());

  for (const nodes of [2, 3])
    it(`brings no further event on any of ${nodes}, each tells of the end, and all others hear on`, async () => {
      await redis.command("FLUSHALL");
      await using load = await RightsLoad.start(redis.url, nodes, users);
      for (let n = 0; n < users; n++) await load.goesOn(n);
      for (let n = 0; n < removed; n++) {
        const { result, answeredAt } = await load.remove(n);
        expect(result).to.deep.equal({ asked: nodes, ended: nodes, complete: true });
        await load.told(n);
        await load.goesOn(users - 1);
        expect(load.eventsAfter(n, answeredAt), `user ${n}, events published later`).to.equal(0);
      }
      for (let n = removed; n < users; n++) await load.goesOn(n);
      expect(load.late, "events behind the end").to.equal(0);
    });
});
