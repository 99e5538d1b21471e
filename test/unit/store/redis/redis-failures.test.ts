import { expect } from "chai";
import {
  type RedisStore,
  redisStore,
  StoreUnavailableError,
} from "../../../../src/store/redis/index.js";
import { eventually } from "../../../helpers/eventually.js";
import { hasRedis, RedisServer } from "../../../helpers/redis/redis-server.js";
import { rejectionOf } from "../../../helpers/rejection.js";
import { requires } from "../../../helpers/requirement.js";
import { recordingLogger } from "../../../helpers/server/test-server.js";

const timeout = 300; // ms, so that the tests are short

describe("Redis is gone", () => {
  let redis: RedisServer;
  const stores: RedisStore[] = [];
  let deployments = 0;

  const open = (prefix = `p${deployments++}`): RedisStore => {
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
    redis.goOn();
    await redis.kill();
    await redis.restart();
  });

  after(() => redis?.stop());

  /** One call of each kind. */
  const calls = (store: RedisStore): (() => Promise<unknown>)[] => [
    () => store.users.get("ada"),
    () => store.clients.list(),
    () => store.families.revoke("family"),
    () => store.attempts.fail("key", 1),
    () => store.secrets.replace("name", "value", undefined),
    () => store.revocations.add({ jti: "x" }),
    () => store.revocations.list(1),
    async () => store.bus?.publish("topic", "1", { size: 1, ttl: Number.POSITIVE_INFINITY }),
    async () => store.bus?.read("topic", { size: 1, ttl: Number.POSITIVE_INFINITY }, undefined),
    async () => store.bus?.send("message"),
  ];

  for (const [how, leave] of [
    ["killed", () => redis.kill()],
    ["hanging", async () => redis.hang()],
  ] as const) {
    it(`rejects every call with a code, in time, when it is ${how}; and serves them soon after it is back`, async () => {
      const store = open();
      for (const call of calls(store)) await call();
      await leave();
      for (const call of calls(store)) {
        const startedAt = performance.now();
        expect(await rejectionOf(call()))
          .to.be.instanceOf(StoreUnavailableError)
          .with.property("code", "STORE_UNAVAILABLE");
        expect(performance.now() - startedAt).to.be.below(1_000);
      }
      if (how === "killed") await redis.restart();
      else redis.goOn();
      await eventually(async () => {
        for (const call of calls(store)) await call();
      });
    });
  }

  it("refuses calls above a bound instead of queueing them", async () => {
    const store = open();
    await store.users.get("ada");
    redis.hang();
    const many = Array.from({ length: 2_500 }, () => rejectionOf(store.users.get("ada")));
    const messages = (await Promise.all(many)).map((error) => (error as Error).message);
    expect(messages.filter((message) => message.includes("2000 calls wait"))).to.have.length(500);
    redis.goOn();
    await eventually(() => store.users.get("ada"));
  });

  it("does not do later what was given up: a hung Redis consumes no refresh token when it goes on", async () => {
    const store = open();
    const family = {
      ...{
        id: "f",
        subject: "ada",
        clientId: "c",
        scopes: [],
        credentialVersion: "1",
        generation: 1,
      },
      ...{
        currentHash: "one",
        previousHash: "",
        createdAt: 0,
        rotatedAt: 0,
        endsAt: 1_000,
        idleUntil: 1_000,
        revoked: false,
      },
    };
    await store.families.add(family);
    redis.hang();
    const rotation = {
      familyId: "f",
      clientId: "c",
      presentedHash: "one",
      generation: 2,
      nextHash: "two",
      now: 10,
    };
    expect(
      await rejectionOf(store.families.rotate({ ...rotation, reuseWindow: 10, idleTtl: 100 })),
    ).to.be.instanceOf(StoreUnavailableError);
    // by Redis's clock the caller has given up now
    await new Promise((resolve) => setTimeout(resolve, timeout));
    redis.goOn();
    await eventually(() => store.users.get("ada"));
    expect(await store.families.get("f")).to.deep.equal(family);
  });

  it("accepts no token while this node is cut off, and does again when it has caught up", async () => {
    const [here, there] = [open("shared"), open("shared")];
    const told: string[] = [];
    here.revocations.subscribe(({ jti }) => told.push(jti ?? ""));
    await here.revocations.whenCurrent?.();
    await there.revocations.add({ jti: "before" });
    await eventually(() => expect(told).to.include("before"));
    redis.hang();
    await eventually(async () =>
      expect(await rejectionOf(here.revocations.whenCurrent?.() ?? Promise.resolve())).to.be.an(
        "error",
      ),
    );
    redis.goOn();
    await eventually(() => there.revocations.add({ jti: "meanwhile" }));
    await eventually(() => here.revocations.whenCurrent?.());
    await eventually(() => expect(told).to.include("meanwhile"));
  });

  it("is noticed to have lost its memory, and gets back the revocations and secrets that a node still knows", async () => {
    const [here, fresh] = [open("lost"), open("lost")];
    here.revocations.subscribe(() => {});
    await here.revocations.whenCurrent?.();
    await here.revocations.add({ jti: "stolen" });
    await here.secrets.replace("key", "secret", undefined);
    await redis.kill();
    await redis.restart();
    await eventually(() => here.revocations.whenCurrent?.());
    expect((await fresh.revocations.list(1)).map(({ jti }) => jti)).to.deep.equal(["stolen"]);
    expect(await fresh.secrets.get("key")).to.equal("secret");
  });

  it("is noticed to have been emptied without a restart", async () => {
    const [here, fresh] = [open("emptied"), open("emptied")];
    here.revocations.subscribe(() => {});
    await here.revocations.whenCurrent?.();
    await here.revocations.add({ jti: "stolen" });
    await redis.command("FLUSHALL");
    await eventually(async () =>
      expect((await fresh.revocations.list(1)).map(({ jti }) => jti)).to.deep.equal(["stolen"]),
    );
  });

  for (const [how, settings, renewal] of [
    ["lost its memory", {}, "redis.emptied"],
    ["kept it", { appendfsync: "always" }, "redis.renewed"],
  ] as const) {
    it(`is told once when it goes, not at every attempt, and once when it is back, having ${how}`, async () => {
      const own = await RedisServer.start(settings);
      const { logger, lines } = recordingLogger();
      const store = redisStore({ url: own.url, timeout, logger });
      const events = () => lines.map(({ fields }) => fields.event);
      try {
        store.revocations.subscribe(() => {});
        await store.revocations.whenCurrent?.();
        expect(lines).to.deep.equal([]);
        await own.kill();
        await eventually(() =>
          expect(lines.map(({ fields }) => String(fields.err))).to.match(/ECONNREFUSED/),
        );
        const told = lines.length;
        // some attempts, which differ in nothing
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        expect(lines.length).to.equal(told);
        await own.restart();
        await eventually(() => expect(events()).to.include("redis.back"));
        expect(events().filter((event) => event !== "redis.cut_off")).to.deep.equal([
          renewal,
          "redis.back",
        ]);
        expect(lines.at(-1)).to.have.property("level", "info");
      } finally {
        await store.close();
        await own.stop();
      }
    });
  }

  it("keeps a revocation that could not be written, and writes it when Redis is back", async () => {
    const [here, there] = [open("unsaved"), open("unsaved")];
    here.revocations.subscribe(() => {});
    await here.revocations.whenCurrent?.();
    await redis.kill();
    expect(await rejectionOf(here.revocations.add({ jti: "late" }))).to.be.instanceOf(
      StoreUnavailableError,
    );
    await redis.restart();
    await eventually(() => here.revocations.whenCurrent?.());
    expect((await there.revocations.list(1)).map(({ jti }) => jti)).to.deep.equal(["late"]);
  });
});
