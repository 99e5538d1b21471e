import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Revocation } from "../../../src/auth/revocation/revocation.js";
import { fileStore } from "../../../src/store/file/file-store.js";
import { memoryStore } from "../../../src/store/memory/memory-store.js";
import { redisStore } from "../../../src/store/redis/index.js";
import type { FamilyRecord, Rotation, Store, UserRecord } from "../../../src/store/store.js";
import { hasRedis, RedisServer } from "../../helpers/redis/redis-server.js";
import { requires } from "../../helpers/requirement.js";

const ada: UserRecord = {
  username: "ada",
  passwordHash: "hash",
  scopes: ["orders:read"],
  claims: { role: "admin" },
  disabled: false,
  credentialVersion: "1",
  createdAt: 1,
};

const family: FamilyRecord = {
  id: "family",
  subject: "ada",
  clientId: "jotwire",
  scopes: [],
  credentialVersion: "1",
  generation: 1,
  currentHash: "hash-1",
  previousHash: "",
  createdAt: 100,
  rotatedAt: 100,
  endsAt: 1_000,
  idleUntil: 300,
  revoked: false,
};

const use: Rotation = {
  familyId: "family",
  clientId: "jotwire",
  presentedHash: "hash-1",
  generation: 2,
  nextHash: "hash-2",
  now: 110,
  reuseWindow: 10,
  idleTtl: 200,
};

interface Adapter {
  readonly name: string;
  /** Once, before all tests. Returns what ends it. */
  readonly prepare?: (context: Mocha.Context) => Promise<() => Promise<void>>;
  readonly open: () => Promise<{ store: Store; dispose: () => Promise<void> }>;
}

const adapters: readonly Adapter[] = [
  { name: "memoryStore", open: async () => ({ store: memoryStore(), dispose: async () => {} }) },
  {
    name: "fileStore",
    open: async () => {
      const folder = await mkdtemp(join(tmpdir(), "jotwire-"));
      return { store: fileStore(folder), dispose: () => rm(folder, { recursive: true }) };
    },
  },
  redisAdapter(),
];

/** One Redis for all tests; a prefix for each. */
function redisAdapter(): Adapter {
  let redis: RedisServer | undefined;
  let deployments = 0;
  return {
    name: "redisStore",
    prepare: async (context) => {
      requires(context, "Redis", hasRedis);
      const started = await RedisServer.start();
      redis = started;
      return () => started.stop();
    },
    open: async () => ({
      store: redisStore({ url: redis?.url ?? "", prefix: `p${deployments++}`, timeout: 5_000 }),
      dispose: async () => {},
    }),
  };
}

for (const { name, prepare, open } of adapters) {
  describe(`what every store does: ${name}`, () => {
    let store: Store;
    let dispose: () => Promise<void>;
    let end: (() => Promise<void>) | undefined;

    before(async function () {
      end = await prepare?.(this);
    });

    after(() => end?.());

    beforeEach(async () => {
      ({ store, dispose } = await open());
    });

    afterEach(async () => {
      await store.close();
      await dispose();
    });

    it("adds a user once, and finds nobody else", async () => {
      expect(await store.users.add(ada)).to.equal(true);
      expect(await store.users.add({ ...ada, passwordHash: "other" })).to.equal(false);
      expect(await store.users.get("ada")).to.deep.equal(ada);
      expect(await store.users.get("Ada")).to.equal(undefined);
    });

    it("lets one of many simultaneous additions of a name win", async () => {
      const added = await Promise.all(
        Array.from({ length: 20 }, (_, n) => store.users.add({ ...ada, passwordHash: `${n}` })),
      );
      expect(added.filter(Boolean)).to.have.length(1);
    });

    it("takes any string for a user name", async () => {
      const names = ["../../etc/passwd", "__proto__", "a/b", "ä", "x".repeat(255), "."];
      for (const username of names)
        expect(await store.users.add({ ...ada, username })).to.equal(true);
      for (const username of names)
        expect((await store.users.get(username))?.username).to.equal(username);
      expect(await store.users.get("constructor")).to.equal(undefined);
    });

    it("updates members of a user, and tells when there is none", async () => {
      await store.users.add(ada);
      expect(await store.users.update("ada", { disabled: true })).to.equal(true);
      expect(await store.users.get("ada")).to.deep.equal({ ...ada, disabled: true });
      expect(await store.users.update("bob", { disabled: true })).to.equal(false);
    });

    it("updates under a condition only while hash and version are the same", async () => {
      await store.users.add(ada);
      const { passwordHash, credentialVersion } = ada;
      const change = { passwordHash: "new" };
      for (const expected of [
        { passwordHash: "wrong" },
        { credentialVersion: "wrong" },
        { passwordHash, credentialVersion: "wrong" },
      ])
        expect(await store.users.update("ada", change, expected)).to.equal(false);
      expect(await store.users.update("ada", change, { passwordHash, credentialVersion })).to.equal(
        true,
      );
      expect((await store.users.get("ada"))?.passwordHash).to.equal("new");
    });

    it("keeps the token that sets a password, updates under the condition that it is the same, and forgets it", async () => {
      const passwordToken = { hash: "one", purpose: "reset", expiresAt: 1.5 } as const;
      await store.users.add(ada);
      expect(await store.users.update("ada", {}, { passwordTokenHash: "one" })).to.equal(false);
      expect(await store.users.update("ada", { passwordToken })).to.equal(true);
      expect((await store.users.get("ada"))?.passwordToken).to.deep.equal(passwordToken);
      const change = { passwordHash: "new", passwordToken: undefined };
      const { credentialVersion } = ada;
      for (const expected of [
        { passwordTokenHash: "two" },
        { passwordTokenHash: "" },
        { passwordTokenHash: "one", credentialVersion: "wrong" },
      ])
        expect(await store.users.update("ada", change, expected)).to.equal(false);
      const uses = Array.from({ length: 20 }, () =>
        store.users.update("ada", change, { passwordTokenHash: "one", credentialVersion }),
      );
      expect((await Promise.all(uses)).filter(Boolean)).to.have.length(1);
      const { passwordToken: left, ...rest } = (await store.users.get("ada")) ?? {};
      expect(left).to.equal(undefined);
      expect(rest).to.deep.equal({ ...ada, passwordHash: "new" });
      const bob = { ...ada, username: "bob", passwordHash: "", passwordToken };
      await store.users.add(bob);
      expect(await store.users.get("bob")).to.deep.equal(bob);
    });

    it("loses none of many simultaneous updates", async () => {
      await store.users.add(ada);
      await Promise.all([
        store.users.update("ada", { disabled: true }),
        store.users.update("ada", { passwordHash: "new" }),
      ]);
      expect(await store.users.get("ada")).to.include({ disabled: true, passwordHash: "new" });
    });

    it("lists users by name, and removes them", async () => {
      for (const username of ["cleo", "ada", "bob"]) await store.users.add({ ...ada, username });
      expect(await store.users.remove("bob")).to.equal(true);
      expect(await store.users.remove("bob")).to.equal(false);
      expect((await store.users.list()).map(({ username }) => username)).to.deep.equal([
        "ada",
        "cleo",
      ]);
    });

    it("keeps clients", async () => {
      const client = { clientId: "robot", secretHash: "h", scopes: ["a"], createdAt: 1 };
      expect(await store.clients.add(client)).to.equal(true);
      expect(await store.clients.add(client)).to.equal(false);
      expect(await store.clients.get("robot")).to.deep.equal(client);
      expect(await store.clients.list()).to.deep.equal([client]);
      expect(await store.clients.remove("robot")).to.equal(true);
      expect(await store.clients.get("robot")).to.equal(undefined);
    });

    it("rotates exactly once for 100 simultaneous uses of one token", async () => {
      await store.families.add(family);
      const uses = await Promise.all(Array.from({ length: 100 }, () => store.families.rotate(use)));
      const outcomes = uses.map(({ outcome }) => outcome);
      expect(outcomes.filter((outcome) => outcome === "rotated")).to.have.length(1);
      expect(outcomes.filter((outcome) => outcome === "repeated")).to.have.length(99);
      expect((await store.families.get("family"))?.generation).to.equal(2);
    });

    it("lets exactly one of 100 simultaneous uses succeed without a window, and ends the family", async () => {
      await store.families.add(family);
      const uses = await Promise.all(
        Array.from({ length: 100 }, () => store.families.rotate({ ...use, reuseWindow: 0 })),
      );
      expect(uses.filter(({ outcome }) => outcome === "rotated")).to.have.length(1);
      expect(uses.filter(({ outcome }) => outcome === "reused")).to.have.length(1);
      expect((await store.families.get("family"))?.revoked).to.equal(true);
    });

    it("keeps a reuse: the family stays revoked", async () => {
      await store.families.add(family);
      await store.families.rotate(use);
      expect((await store.families.rotate({ ...use, now: 130 })).outcome).to.equal("reused");
      expect(
        (await store.families.rotate({ ...use, presentedHash: "hash-2", now: 131 })).outcome,
      ).to.equal("revoked");
    });

    it("revokes a family once", async () => {
      await store.families.add(family);
      expect(await store.families.revoke("family")).to.equal(true);
      expect(await store.families.revoke("family")).to.equal(false);
      expect(await store.families.revoke("other")).to.equal(false);
    });

    it("revokes all families of a subject, once, and no others; a later one is good", async () => {
      const ids = Array.from({ length: 600 }, (_, n) => `f${n}`);
      await Promise.all(
        [...ids, "g"].map((id) =>
          store.families.add({ ...family, id, subject: id === "g" ? "grace" : "ada" }),
        ),
      );
      await store.families.revoke("f0");
      expect(await store.families.revokeSubject("ada")).to.equal(599);
      expect(await store.families.revokeSubject("ada")).to.equal(0);
      expect(await store.families.revokeSubject("nobody")).to.equal(0);
      for (const id of ["f1", "f599"])
        expect((await store.families.rotate({ ...use, familyId: id })).outcome).to.equal("revoked");
      expect((await store.families.rotate({ ...use, familyId: "g" })).outcome).to.equal("rotated");
      await store.families.add({ ...family, id: "later" });
      expect((await store.families.rotate({ ...use, familyId: "later" })).outcome).to.equal(
        "rotated",
      );
      expect(await store.families.revokeSubject("ada")).to.equal(1);
    });

    it("forgets families that ended, and no others", async () => {
      await store.families.add(family);
      await store.families.add({ ...family, id: "idle longer", idleUntil: 500 });
      expect(await store.families.sweep(300)).to.equal(1);
      expect(await store.families.get("family")).to.equal(undefined);
      expect((await store.families.get("idle longer"))?.id).to.equal("idle longer");
    });

    it("forgets a family that has ended when it is read, or used, and no other", async () => {
      for (const id of ["read", "used", "by a stranger", "unused"])
        await store.families.add({ ...family, id });
      expect(await store.families.get("read", 299)).to.deep.equal({ ...family, id: "read" });
      expect(await store.families.get("read", 300)).to.equal(undefined);
      expect(await store.families.rotate({ ...use, familyId: "used", now: 300 })).to.deep.equal({
        outcome: "unknown",
      });
      expect(
        await store.families.rotate({ ...use, familyId: "by a stranger", clientId: "x", now: 300 }),
      ).to.deep.equal({
        outcome: "unknown",
      });
      for (const id of ["read", "used", "by a stranger"])
        expect(await store.families.get(id), id).to.equal(undefined);
      expect((await store.families.get("unused"))?.id).to.equal("unused");
      expect(await store.families.sweep(300)).to.equal(1);
    });

    it("keeps so many families of a subject: the revoked go first, then those that were not used for the longest time", async () => {
      const ids = ["revoked", "first", "second", "third"];
      for (const id of ids) await store.families.add({ ...family, id, subject: "ada" }, 4);
      await store.families.add({ ...family, id: "another's", subject: "grace" }, 1);
      await store.families.revoke("revoked");
      await store.families.rotate({ ...use, familyId: "first" });
      const left = async () =>
        (await Promise.all([...ids, "another's"].map((id) => store.families.get(id)))).flatMap(
          (one) => one?.id ?? [],
        );
      await store.families.add({ ...family, id: "fourth", idleUntil: 301 }, 4);
      expect(await left()).to.deep.equal(["first", "second", "third", "another's"]);
      await store.families.add({ ...family, id: "fifth", idleUntil: 302 }, 3);
      expect(await left()).to.deep.equal(["first", "another's"]);
      for (const id of ["fourth", "fifth"]) expect((await store.families.get(id))?.id).to.equal(id);
    });

    it("remembers from where a family was rotated last, if that is known", async () => {
      await store.families.add(family);
      const first = await store.families.rotate({ ...use, by: "here" });
      expect(first).to.have.property("family").that.includes({ rotatedBy: "here" });
      expect(await store.families.rotate({ ...use, by: "there" })).to.deep.equal({
        ...first,
        outcome: "repeated",
      });
      const next = { ...use, presentedHash: "hash-2", generation: 3, nextHash: "hash-3", now: 120 };
      expect(await store.families.rotate(next))
        .to.have.property("family")
        .that.does.not.have.property("rotatedBy");
      expect(await store.families.get("family")).to.not.have.property("rotatedBy");
    });

    it("counts failures by key until they are cleared", async () => {
      expect(await store.attempts.get("k")).to.deep.equal({ failures: 0, lastAt: 0 });
      expect(
        await Promise.all([
          store.attempts.fail("k", 5),
          store.attempts.fail("k", 5),
          store.attempts.fail("other", 5),
        ]),
      ).to.have.members([1, 2, 1]);
      expect(await store.attempts.get("k")).to.deep.equal({ failures: 2, lastAt: 5 });
      await store.attempts.clear("k");
      expect((await store.attempts.get("k")).failures).to.equal(0);
      expect((await store.attempts.get("other")).failures).to.equal(1);
    });

    it("forgets old counters", async () => {
      await store.attempts.fail("old", 5);
      await store.attempts.fail("new", 10);
      expect(await store.attempts.sweep(10)).to.equal(1);
      expect((await store.attempts.get("old")).failures).to.equal(0);
      expect((await store.attempts.get("new")).failures).to.equal(1);
    });

    it("counts by key how often something happened in a minute", async () => {
      expect(await store.rates.get("k", 100)).to.deep.equal({ count: 0, endsIn: 0 });
      const added = await Promise.all([
        store.rates.add("k", 100),
        store.rates.add("k", 100),
        store.rates.add("other", 100),
      ]);
      expect(added.map(({ count }) => count)).to.have.members([1, 2, 1]);
      const { count, endsIn } = await store.rates.get("k", 100);
      expect(count).to.equal(2);
      expect(endsIn).to.be.within(55, 60);
    });

    it("gives back what was counted, and no more", async () => {
      await store.rates.add("k", 100);
      await store.rates.add("k", 100);
      for (const left of [1, 0, 0]) {
        await store.rates.giveBack("k", 100);
        expect((await store.rates.get("k", 100)).count).to.equal(left);
      }
      await store.rates.giveBack("never counted", 100);
      expect((await store.rates.add("never counted", 100)).count).to.equal(1);
    });

    it("replaces a secret only if it is still the expected one", async () => {
      expect(await store.secrets.get("key")).to.equal(undefined);
      expect(await store.secrets.replace("key", "a", "z")).to.equal(false);
      const first = await Promise.all(
        ["a", "b", "c"].map((value) => store.secrets.replace("key", value, undefined)),
      );
      expect(first.filter(Boolean)).to.have.length(1);
      const value = await store.secrets.get("key");
      expect(await store.secrets.replace("key", "next", value)).to.equal(true);
      expect(await store.secrets.replace("key", "late", value)).to.equal(false);
      expect(await store.secrets.get("key")).to.equal("next");
    });

    it("lists revocations while they stand", async () => {
      await store.revocations.add({ jti: "short", until: 10 });
      await store.revocations.add({ jti: "long", until: 20 });
      await store.revocations.add({ jti: "ever" });
      expect((await store.revocations.list(10)).map(({ jti }) => jti)).to.have.members([
        "long",
        "ever",
      ]);
      expect((await store.revocations.list(1_000)).map(({ jti }) => jti)).to.deep.equal(["ever"]);
    });

    it("keeps no revocation of a token whose session is revoked for as long, whichever came first", async () => {
      const issuer = "https://id.test";
      const token = (jti: string, tokenOf: string, until = 900) => ({
        issuer,
        jti,
        tokenOf,
        until,
      });
      for (const one of [token("a", "s"), token("b", "s"), token("c", "s", 1_100), token("d", "t")])
        await store.revocations.add(one);
      await store.revocations.add({ issuer, sessionId: "s", until: 1_000 });
      await store.revocations.add(token("e", "s"));
      await store.revocations.add(token("f", "s", 1_100));
      await store.revocations.add({
        issuer: "https://other.test",
        jti: "g",
        tokenOf: "s",
        until: 900,
      });
      const listed = await store.revocations.list(0);
      expect(listed.map(({ jti, sessionId }) => jti ?? sessionId)).to.have.members([
        "c",
        "d",
        "f",
        "g",
        "s",
      ]);
    });

    it("tells each listener of each new revocation once, until it stops", async () => {
      await store.revocations.add({ jti: "before" });
      const told: Revocation[] = [];
      const stop = store.revocations.subscribe((revocation) => told.push(revocation));
      await store.revocations.add({ jti: "now" });
      expect(told).to.deep.equal([{ jti: "now" }]);
      stop();
      await store.revocations.add({ jti: "after" });
      expect(told).to.have.length(1);
    });
  });
}
