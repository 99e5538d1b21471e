import { expect } from "chai";
import { allScripts } from "../../../../src/store/redis/connection/redis-script.js";
import { type RedisStore, redisStore } from "../../../../src/store/redis/index.js";
import { RedisKeys } from "../../../../src/store/redis/redis-keys.js";
import type { FamilyRecord } from "../../../../src/store/store.js";
import { eventually } from "../../../helpers/eventually.js";
import { hasRedis, RedisServer } from "../../../helpers/redis/redis-server.js";
import { rejectionOf } from "../../../helpers/rejection.js";
import { requires } from "../../../helpers/requirement.js";

const history = { size: 10, ttl: Number.POSITIVE_INFINITY };
const use = {
  clientId: "web",
  presentedHash: "one",
  generation: 2,
  nextHash: "two",
  now: 10,
  reuseWindow: 10,
  idleTtl: 100,
};

describe("A Redis that is at its maxmemory", () => {
  let redis: RedisServer;
  let store: RedisStore;
  const stores: RedisStore[] = [];
  const logged: string[] = [];
  const logger = {
    info() {},
    warn: (fields: object) => void logged.push((fields as { event: string }).event),
  };
  const keys = new RedisKeys("full");
  const open = (): RedisStore => {
    const opened = redisStore({ url: redis.url, prefix: "full", timeout: 5_000, logger });
    stores.push(opened);
    return opened;
  };

  /** Refused as a whole: every key that there was is there, with what it held. */
  async function refusesWhole(work: () => unknown): Promise<void> {
    const before = await everything();
    expect((await rejectionOf(Promise.resolve().then(work))).message).to.include("OOM");
    expect(await everything()).to.deep.equal(before);
  }

  /** All keys, and a digest of what is in them. */
  async function everything(): Promise<readonly string[]> {
    const names = [...(await redis.command("KEYS", "*")).matchAll(/full:\S+/g)]
      .map(([name]) => name)
      .sort();
    return Promise.all(
      names.map(async (name) => `${name} ${await redis.command("DEBUG", "DIGEST-VALUE", name)}`),
    );
  }

  before(async function () {
    requires(this, "Redis", hasRedis);
    redis = await RedisServer.start({
      options: ["--enable-debug-command", "yes", "--maxmemory-policy", "noeviction"],
    });
    store = open();
    for (const id of ["f", "g", "h"]) await store.families.add(familyOf(id));
    await store.families.add({ ...familyOf("old"), endsAt: 5, idleUntil: 5 });
    await store.attempts.fail("k", 1);
    await store.revocations.add({ jti: "old", until: 5 });
    await store.bus.publish("t", "1", history);
    // and so begins anew
    await redis.command("HSET", keys.topic("lost"), "epoch", "another incarnation", "offset", "7");
    await redis.command("RPUSH", keys.history("lost"), "1:1");
    await redis.command("CONFIG", "SET", "maxmemory", "1");
  });

  after(async () => {
    for (const opened of stores) await opened.close();
    await redis?.stop();
  });

  it("refuses all that adds something, before anything was deleted for it", async () => {
    await refusesWhole(() => store.users.add(userOf("ada")));
    await refusesWhole(() => store.families.add(familyOf("new")));
    await refusesWhole(() => store.families.add(familyOf("f")));
    await refusesWhole(() => store.families.rotate({ ...use, familyId: "f" }));
    await refusesWhole(() => store.attempts.fail("k", 2));
    await refusesWhole(() => store.secrets.replace("s", "v", undefined));
    await refusesWhole(() => store.revocations.add({ jti: "x" }));
    await refusesWhole(() => store.bus.publish("t", "2", history));
    await refusesWhole(() => store.bus.publish("lost", "2", history));
    await refusesWhole(() => store.bus.send("m"));
  });

  it("is still read, and joined by nodes that start, also by one with a revocation that was refused", async () => {
    await open()
      .revocations.add({ jti: "y" })
      .catch(() => {});
    for (const node of [store, ...stores.slice(1), open()]) {
      expect(await node.families.get("f")).to.include({ currentHash: "one", revoked: false });
      expect(await node.attempts.get("k")).to.deep.equal({ failures: 1, lastAt: 1 });
      expect((await node.rates.get("k", 1)).count).to.equal(0);
      expect(await node.bus.read("t", history, undefined)).to.include({ offset: 1 });
      expect(await node.bus.read("made up", history, undefined)).to.include({ offset: 0 });
      node.revocations.subscribe(() => {});
      await node.revocations.whenCurrent?.();
    }
  });

  it("counts rates elsewhere", async () => {
    expect((await store.rates.add("k", 1)).count).to.equal(1);
    expect((await store.rates.add("k", 1)).count).to.equal(2);
  });

  it("ends families, and forgets what is over: there is room again", async () => {
    expect(await store.families.sweep(8)).to.equal(1);
    expect(await store.families.revoke("f")).to.equal(true);
    expect(await store.families.revokeSubject("ada")).to.equal(2);
    expect(await store.families.get("g")).to.include({ revoked: true });
    expect(await store.attempts.sweep(2)).to.equal(1);
    await store.attempts.clear("k");
    expect((await store.revocations.list(10)).map(({ jti }) => jti)).to.not.include("old");
    await redis.command("CONFIG", "SET", "maxmemory", "0");
    await eventually(async () =>
      expect((await store.revocations.list(10)).map(({ jti }) => jti)).to.have.members(["x", "y"]),
    );
    expect(
      logged.filter((event) => event === "redis.refused").length,
      "once for each node, not at each attempt",
    ).to.equal(2);
    await store.families.add(familyOf("new"));
    expect((await store.families.rotate({ ...use, familyId: "new" })).outcome).to.equal("rotated");
  });

  it("is told by every script whether it may run then", () => {
    for (const { text } of allScripts()) {
      const [, flag] = /^#!lua(?: flags=(allow-oom|no-writes))?\n/.exec(text) ?? expect.fail(text);
      const adds = /'(HSET|HSETNX|HINCRBY|INCRBY|ZADD|SADD|RPUSH|XADD|SET)'/.test(
        text.replace(/'HSET', [^,]+, 'revoked', 'true'/g, ""),
      );
      const isJoining = text.includes("'first'");
      if (flag !== undefined && !isJoining) expect(adds, text).to.equal(false);
    }
  });
});

function userOf(username: string) {
  return {
    username,
    passwordHash: "h",
    scopes: [],
    claims: {},
    disabled: false,
    credentialVersion: "1",
    createdAt: 1,
  };
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
