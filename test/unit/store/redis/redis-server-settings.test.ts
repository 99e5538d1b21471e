import { expect } from "chai";
import { redisStore, StoreUnavailable } from "../../../../src/store/redis/index.js";
import type { FamilyRecord } from "../../../../src/store/store.js";
import { eventually } from "../../../helpers/eventually.js";
import { hasRedis, RedisServer } from "../../../helpers/redis-server.js";
import { rejectionOf } from "../../../helpers/rejection.js";
import { needs } from "../../../helpers/requirement.js";

/** As README.md says it. */
const permissions = ["~jotwire:*", "-@all", "+@read", "+@write", "-@dangerous", "+info", "+time", "+evalsha", "+script|load"];

describe("The Redis that a deployment uses", () => {
  before(function () {
    needs(this, "Redis", hasRedis);
  });

  it("loses nothing that was acknowledged when it is killed, with appendfsync always: rotations and revocations", async () => {
    const redis = await RedisServer.start({ appendfsync: "always" });
    const store = redisStore({ url: redis.url, timeout: 2_000 });
    try {
      for (let cycle = 0; cycle < 5; cycle++) {
        const acknowledged = new Map<string, "two" | undefined>();
        await store.families.add(familyOf(`known-${cycle}`));
        const writing = write(cycle, acknowledged);
        await new Promise((resolve) => setTimeout(resolve, 40)); // in the middle of it
        await redis.kill();
        await writing;
        await redis.restart();
        expect(acknowledged.size).to.be.above(0);
        await eventually(() => store.users.get("nobody"));
        const standing = new Set((await store.revocations.list(1)).map(({ jti }) => jti));
        for (const id of acknowledged.keys()) {
          expect((await store.families.get(id))?.currentHash, id).to.equal("two");
          expect(standing.has(id), id).to.equal(true);
        }
      }
    } finally {
      await store.close();
      await redis.stop();
    }

    /** Logs in, rotates and revokes until Redis is gone. */
    async function write(cycle: number, acknowledged: Map<string, "two" | undefined>): Promise<void> {
      for (let n = 0; ; n++) {
        const id = `${cycle}-${n}`;
        const rotation = { familyId: id, clientId: "web", presentedHash: "one", generation: 2, nextHash: "two", now: 10 };
        try {
          await store.families.add(familyOf(id));
          await store.families.rotate({ ...rotation, reuseWindow: 10, idleTtl: 100 });
          await store.revocations.add({ jti: id });
        } catch (error) {
          if (error instanceof StoreUnavailable) return;
          throw error;
        }
        acknowledged.set(id, "two");
      }
    }
  });

  it("needs to grant no more than its own keys, and no dangerous command", async () => {
    const redis = await RedisServer.start();
    try {
      await redis.command("ACL", "SETUSER", "jotwire", "on", ">secret", "resetkeys", ...permissions);
      const url = redis.url.replace("//", "//jotwire:secret@");
      const store = redisStore({ url });
      store.revocations.subscribe(() => {});
      await store.revocations.whenCurrent?.();
      await store.users.add(userOf("ada"));
      expect(await store.users.update("ada", { disabled: true })).to.equal(true);
      expect(await store.users.list()).to.have.length(1);
      await store.families.add(familyOf("f"));
      expect(await store.families.revoke("f")).to.equal(true);
      expect(await store.families.sweep(2_000)).to.equal(1);
      expect(await store.attempts.fail("k", 1)).to.equal(1);
      await store.attempts.clear("k");
      expect(await store.attempts.sweep(2)).to.equal(0);
      await store.secrets.replace("s", "v", undefined);
      await store.revocations.add({ jti: "x", until: 5 });
      expect(await store.revocations.list(10)).to.deep.equal([]);
      await store.bus.publish("t", "1", { size: 2, ttl: 1_000 });
      await store.bus.send("m");
      expect((await store.bus.read("t", { size: 2, ttl: 1_000 }, undefined)).offset).to.equal(1);
      await store.close();
      const other = redisStore({ url, prefix: "other" });
      expect(await rejectionOf(other.users.get("ada"))).to.be.instanceOf(StoreUnavailable);
      await other.close();
    } finally {
      await redis.stop();
    }
  });

  it("is refused with a word about the option when its address can't be meant", () => {
    for (const url of ["", "http://localhost", "localhost:6379"]) {
      expect(() => redisStore({ url })).to.throw(TypeError, "url must begin with redis:");
    }
    expect(() => redisStore({ url: "redis://localhost", prefix: "" })).to.throw(TypeError, "prefix");
    expect(() => redisStore({ url: "redis://localhost", timeout: 0 })).to.throw(TypeError, "timeout");
    expect(() => redisStore({ url: "redis://localhost", busLength: 1 })).to.throw(TypeError, "busLength");
  });
});

function userOf(username: string) {
  return { username, passwordHash: "h", scopes: [], claims: {}, disabled: false, credentialVersion: "1", createdAt: 1 };
}

function familyOf(id: string): FamilyRecord {
  const whose = { id, subject: "ada", clientId: "web", scopes: [], credentialVersion: "1", generation: 1, revoked: false };
  return { ...whose, currentHash: "one", previousHash: "", createdAt: 0, rotatedAt: 0, endsAt: 1_000, idleUntil: 1_000 };
}
