import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { redisStore, StoreUnavailableError } from "../../../../src/store/redis/index.js";
import type { FamilyRecord } from "../../../../src/store/store.js";
import { eventually } from "../../../helpers/eventually.js";
import { freePort, hasRedis, RedisServer } from "../../../helpers/redis/redis-server.js";
import { rejectionOf } from "../../../helpers/rejection.js";
import { requires } from "../../../helpers/requirement.js";
import { withFolder } from "../../../helpers/temporary-folder.js";

/** As docs/operations/redis.md says it. */
const permissions = [
  "~jotwire:*",
  "-@all",
  "+@read",
  "+@write",
  "-@dangerous",
  "+info",
  "+time",
  "+evalsha",
  "+script|load",
];

const timeout = 5_000; // ms: nothing here is about time

describe("The Redis that a deployment uses", () => {
  before(function () {
    requires(this, "Redis", hasRedis);
  });

  it("loses nothing that was acknowledged when it is killed, with appendfsync always: rotations and revocations", async () => {
    const redis = await RedisServer.start({ appendfsync: "always" });
    const store = redisStore({ url: redis.url, timeout: 5_000 });
    try {
      for (let cycle = 0; cycle < 5; cycle++) {
        const acknowledged = new Map<string, "two" | undefined>();
        await store.families.add(familyOf(`known-${cycle}`));
        const writing = write(cycle, acknowledged);
        await eventually(() => expect(acknowledged.size).to.be.above(4)); // in the middle of it
        await redis.kill();
        await writing;
        await redis.restart();
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
    async function write(
      cycle: number,
      acknowledged: Map<string, "two" | undefined>,
    ): Promise<void> {
      for (let n = 0; ; n++) {
        const id = `${cycle}-${n}`;
        const rotation = {
          familyId: id,
          clientId: "web",
          presentedHash: "one",
          generation: 2,
          nextHash: "two",
          now: 10,
        };
        try {
          await store.families.add(familyOf(id));
          await store.families.rotate({ ...rotation, reuseWindow: 10, idleTtl: 100 });
          await store.revocations.add({ jti: id });
        } catch (error) {
          if (error instanceof StoreUnavailableError) return;
          throw error;
        }
        acknowledged.set(id, "two");
      }
    }
  });

  it("needs to grant no more than its own keys, and no dangerous command", async () => {
    const redis = await RedisServer.start();
    try {
      await redis.command(
        "ACL",
        "SETUSER",
        "jotwire",
        "on",
        ">secret",
        "resetkeys",
        ...permissions,
      );
      const url = redis.url.replace("//", "//jotwire:secret@");
      const store = redisStore({ url, timeout });
      store.revocations.subscribe(() => {});
      await store.revocations.whenCurrent?.();
      await store.users.add(userOf("ada"));
      expect(await store.users.update("ada", { disabled: true })).to.equal(true);
      expect(await store.users.list()).to.have.length(1);
      await store.families.add(familyOf("f"));
      expect(await store.families.revoke("f")).to.equal(true);
      await store.families.add(familyOf("g"));
      expect(await store.families.revokeSubject("ada")).to.equal(1);
      expect(await store.families.sweep(2_000)).to.equal(2);
      expect(await store.attempts.fail("k", 1)).to.equal(1);
      await store.attempts.clear("k");
      expect(await store.attempts.sweep(2)).to.equal(0);
      expect((await store.rates.add("k", 1)).count).to.equal(1);
      await store.rates.giveBack("k", 1);
      // what the store counts by itself, when it is refused, is not known there
      const elsewhere = redisStore({ url, timeout });
      await elsewhere.rates.add("k", 1);
      expect((await store.rates.get("k", 1)).count).to.equal(1);
      await elsewhere.close();
      await store.secrets.replace("s", "v", undefined);
      await store.revocations.add({ jti: "x", until: 5 });
      expect(await store.revocations.list(10)).to.deep.equal([]);
      await store.bus.publish("t", "1", { size: 2, ttl: 1_000 });
      await store.bus.send("m");
      expect((await store.bus.read("t", { size: 2, ttl: 1_000 }, undefined)).offset).to.equal(1);
      await store.close();
      const other = redisStore({ url, prefix: "other", timeout });
      expect(await rejectionOf(other.users.get("ada"))).to.be.instanceOf(StoreUnavailableError);
      await other.close();
    } finally {
      await redis.stop();
    }
  });

  it("is reached over TLS, with the authorities that are given and with no others", async () => {
    await withFolder(async (folder) => {
      const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
      const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
      const made = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        key,
        "-out",
        cert,
        ...subject,
      ];
      expect(spawnSync("openssl", made, { stdio: "ignore" }).status).to.equal(0);
      const tlsPort = await freePort();
      const certificate = [
        "--tls-cert-file",
        cert,
        "--tls-key-file",
        key,
        "--tls-ca-cert-file",
        cert,
        "--tls-auth-clients",
        "no",
      ];
      const redis = await RedisServer.start({
        options: ["--tls-port", String(tlsPort), ...certificate],
      });
      const url = `rediss://localhost:${tlsPort}`;
      const [trusting, strange] = [
        redisStore({ url, timeout, tls: { ca: await readFile(cert, "utf8") } }),
        redisStore({ url, timeout }),
      ];
      try {
        expect(await trusting.users.add(userOf("ada"))).to.equal(true);
        const refusal = await rejectionOf(strange.users.get("ada"));
        expect(refusal)
          .to.be.instanceOf(StoreUnavailableError)
          .with.nested.property("cause.code", "DEPTH_ZERO_SELF_SIGNED_CERT"); // of OpenSSL
        expect(refusal.message).to.include((refusal.cause as Error).message);
      } finally {
        await Promise.all([trusting.close(), strange.close()]);
        await redis.stop();
      }
    });
  });

  it("is reached by a socket in the file system", async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "redis.sock");
      const redis = await RedisServer.start({ options: ["--unixsocket", path] });
      const store = redisStore({ url: `unix:${path}`, timeout });
      expect(await store.users.add(userOf("ada"))).to.equal(true);
      await store.close();
      await redis.stop();
    });
  });

  it("is refused with a word about the option when its address can't be meant", () => {
    for (const url of ["", "http://localhost", "localhost:6379"]) {
      expect(() => redisStore({ url })).to.throw(TypeError, "url must begin with redis:");
    }
    const mistaken = [
      "redis://:12/hunter@h:1",
      "redis://u:12#hunter@h",
      "redis://u:12?hunter@h",
      "redis://u:p@hunter/2@h",
      "redis:h",
      "redis://h:x",
    ];
    for (const url of mistaken) {
      expect(() => redisStore({ url }), url)
        .to.throw(TypeError, /^url must be like redis:.*%2F/)
        .with.property("message")
        .that.does.not.include("hunter");
    }
    for (const url of [
      "redis://u:12%2Fa@h:1/0",
      "rediss://h/",
      "redis://[::1]:6379",
      "redis://h?protocol=2",
    ])
      redisStore({ url });
    expect(() => redisStore({ url: "redis://localhost", prefix: "" })).to.throw(
      TypeError,
      "prefix",
    );
    const misspelt = { url: "redis://localhost", prefx: "orders" };
    expect(() => redisStore(misspelt)).to.throw(
      TypeError,
      'redisStore: there is no "prefx"; did you mean "prefix"?',
    );
    expect(() => redisStore({ url: "redis://localhost", timeout: 0 })).to.throw(
      TypeError,
      "timeout",
    );
    expect(() => redisStore({ url: "redis://localhost", busLength: 1 })).to.throw(
      TypeError,
      "busLength",
    );
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
