import { expect } from "chai";
import { type RedisStore, redisStore } from "../../../../src/store/redis/index.js";
import { eventually } from "../../../helpers/eventually.js";
import { hasRedis, RedisServer } from "../../../helpers/redis/redis-server.js";
import { requires } from "../../../helpers/requirement.js";

const short = 300; // ms, so that the tests of a Redis that does not answer are

describe("rates in Redis", () => {
  let redis: RedisServer;
  const stores: RedisStore[] = [];
  const open = (prefix: string, timeout = 5_000): RedisStore => {
    const store = redisStore({ url: redis.url, prefix, timeout });
    stores.push(store);
    return store;
  };

  before(async function () {
    requires(this, "Redis", hasRedis);
    redis = await RedisServer.start();
  });

  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
  });

  after(() => redis?.stop());

  it("are counted over all nodes of one deployment, and of no other", async () => {
    const [one, two, other] = [open("a"), open("a"), open("b")];
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? one : two).rates.add("k", 0)),
    );
    expect(await one.rates.get("k", 0)).to.include({ count: 50 });
    expect((await two.rates.add("k", 0)).count).to.equal(51);
    expect((await other.rates.get("k", 0)).count).to.equal(0);
  });

  it("are forgotten by Redis after a minute from the first, whatever is added", async () => {
    const store = open("c");
    await store.rates.add("k", 0);
    const [key = ""] = (await redis.command("KEYS", "c:rate:*"))
      .split("\r\n")
      .filter((line) => line.startsWith("c:"));
    await redis.command("PEXPIRE", key, "30000");
    const { count, endsIn } = await store.rates.add("k", 0);
    expect(count).to.equal(2);
    expect(endsIn).to.be.within(25, 30);
    await redis.command("DEL", key);
    await store.rates.giveBack("k", 0); // too late: it must not become a credit
    expect((await store.rates.add("k", 0)).count).to.equal(1);
    expect((await store.rates.get("k", 0)).endsIn).to.be.within(55, 60);
  });

  for (const [how, leave, comeBack] of [
    ["killed", () => redis.kill(), () => redis.restart()],
    ["hanging", async () => redis.hang(), async () => redis.goOn()],
  ] as const) {
    it(`go on in the process, in time, while Redis is ${how}, and in Redis when it is back`, async () => {
      const store = open(`d-${how}`, short);
      await store.rates.add("other", 0);
      await leave();
      for (let n = 1; n <= 3; n++) {
        const startedAt = performance.now();
        expect((await store.rates.add("k", 0)).count).to.equal(n);
        expect(performance.now() - startedAt).to.be.below(1_000);
      }
      await store.rates.giveBack("k", 0);
      expect(await store.rates.get("k", 0)).to.include({ count: 2 });
      await comeBack();
      await eventually(async () => {
        expect((await store.rates.get("k", 0)).count).to.equal(0);
      });
    });
  }
});
