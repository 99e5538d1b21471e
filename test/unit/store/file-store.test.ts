import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, rename, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import type { Revocation } from "../../../src/auth/revocation/revocation.js";
import { fileStore } from "../../../src/store/file/file-store.js";
import { eventually } from "../../helpers/eventually.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { withFolder } from "../../helpers/temporary-folder.js";

const ada = {
  ...{ username: "ada", passwordHash: "hash", scopes: [], claims: {} },
  ...{ disabled: false, credentialVersion: "1", createdAt: 1 },
};

const family = {
  ...{
    id: "f",
    subject: "ada",
    clientId: "web",
    scopes: ["a"],
    credentialVersion: "1",
    generation: 1,
    currentHash: "h0",
    previousHash: "",
  },
  ...{ createdAt: 0, rotatedAt: 0, endsAt: 1_000, idleUntil: 100, revoked: false },
};

describe("the file store", () => {
  it("touches nothing before it is used, and then keeps folders to 0700 and files to 0600", async () => {
    await withFolder(async (parent) => {
      const folder = join(parent, "state");
      const store = fileStore(folder);
      expect(await readdir(parent)).to.deep.equal([]);
      await store.users.add(ada);
      await store.secrets.replace("key", "value", undefined);
      expect((await stat(folder)).mode & 0o777).to.equal(0o700);
      for (const file of await filesIn(folder))
        expect((await stat(file)).mode & 0o777, file).to.equal(0o600);
      await store.close();
    });
  });

  it("gives everything back to the next process", async () => {
    await withFolder(async (folder) => {
      const first = fileStore(folder);
      await first.users.add(ada);
      await first.secrets.replace("key", "value", undefined);
      await first.attempts.fail("k", 7);
      await first.revocations.add({ jti: "a" });
      await first.close();
      const second = fileStore(folder);
      expect(await second.users.get("ada")).to.deep.equal(ada);
      expect(await second.secrets.get("key")).to.equal("value");
      expect(await second.attempts.get("k")).to.deep.equal({ failures: 1, lastAt: 7 });
      expect(await second.revocations.list(0)).to.deep.equal([{ jti: "a" }]);
      await second.close();
    });
  });

  it("refuses a secret that others may read, and says what to type", async () => {
    await withFolder(async (folder) => {
      const first = fileStore(folder);
      await first.secrets.replace("key", "value", undefined);
      await first.close();
      const [file = ""] = await filesIn(join(folder, "secrets"));
      await chmod(file, 0o640);
      const { message } = await rejectionOf(fileStore(folder).secrets.get("key"));
      expect(message).to.include(`chmod 600 ${file}`).and.to.not.include("value");
      await chmod(file, 0o600);
      expect(await fileStore(folder).secrets.get("key")).to.equal("value");
    });
  });

  it("refuses a folder that others may enter when there is something in it, whoever made it, and says what to type", async () => {
    await withFolder(async (parent) => {
      const folder = join(parent, "state");
      await mkdir(folder, { mode: 0o755 });
      const first = fileStore(folder);
      expect(await first.users.add(ada), "an empty one is made private").to.equal(true);
      expect((await stat(folder)).mode & 0o777).to.equal(0o700);
      for (const mode of [0o755, 0o710, 0o701]) {
        await chmod(folder, mode);
        const { message } = await rejectionOf(fileStore(folder).users.get("ada"));
        expect(message)
          .to.include(`(mode ${mode.toString(8)})`)
          .and.to.include(`chmod 700 ${folder}`);
      }
      await chmod(folder, 0o700);
      expect(await fileStore(folder).users.get("ada")).to.deep.equal(ada);
    });
  });

  it("takes over families and revocations that were a file each once", async () => {
    await withFolder(async (folder) => {
      const standing = { subject: "ada", issuedBefore: 7, reason: "gone" };
      await mkdir(join(folder, "families"));
      await mkdir(join(folder, "revocations"));
      await writeFile(join(folder, "families", `${"0".repeat(64)}.json`), JSON.stringify(family));
      await writeFile(
        join(folder, "families", `${"1".repeat(64)}.json`),
        JSON.stringify({ ...family, id: "g" }),
      );
      await writeFile(
        join(folder, "revocations", `${"a".repeat(32)}-${"b".repeat(32)}.json`),
        JSON.stringify(standing),
      );
      const store = fileStore(folder);
      expect(await store.families.revoke("f")).to.equal(true);
      expect(await store.families.get("g")).to.deep.equal({ ...family, id: "g" });
      expect(await store.revocations.list(0)).to.deep.equal([standing]);
      await store.close();
      expect(await readdir(join(folder, "families"))).to.deep.equal(["families.jsonl"]);
      expect(await readdir(join(folder, "revocations"))).to.deep.equal(["revocations.jsonl"]);
      const next = fileStore(folder);
      expect(await next.families.get("f")).to.deep.equal({ ...family, revoked: true });
      expect(await next.revocations.list(0)).to.deep.equal([standing]);
      await next.close();
    });
  });

  it("shows families to a process that does not serve, as the one that does has changed them", async () => {
    await withFolder(async (folder) => {
      const [server, onlooker] = [fileStore(folder), fileStore(folder)];
      expect(await onlooker.families.get("f")).to.equal(undefined);
      await server.families.add(family);
      expect(await onlooker.families.get("f")).to.deep.equal(family);
      await server.families.revoke("f");
      expect(await onlooker.families.get("f")).to.deep.equal({ ...family, revoked: true });
      await server.families.sweep(1_000);
      expect(await onlooker.families.get("f")).to.equal(undefined);
      await server.close();
    });
  });

  it("makes each change, however close behind the end of the one before it was asked for", async () => {
    await withFolder(async (folder) => {
      const store = fileStore(folder);
      await store.families.add(family);
      for (let steps = 0; steps < 30; steps++) {
        const first = store.families.revoke("unknown");
        for (let step = 0; step < steps; step++) await Promise.resolve();
        let isDone = false;
        const second = store.families.revoke("unknown").then(() => {
          isDone = true;
        });
        await new Promise((resolve) => setImmediate(resolve));
        expect(isDone, `${steps} steps behind`).to.equal(true);
        await Promise.all([first, second]);
      }
      await store.close();
    });
  });

  it("keeps its journals short, however often a token is rotated or a subject revoked, and all processes follow", async () => {
    await withFolder(async (folder) => {
      const [server, commandLine] = [fileStore(folder), fileStore(folder)];
      await server.families.add(family);
      const uses = Array.from({ length: 5_000 }, (_, n) => ({
        ...{
          familyId: "f",
          clientId: "web",
          presentedHash: `h${n}`,
          generation: n + 2,
          nextHash: `h${n + 1}`,
        },
        ...{ now: 1, reuseWindow: 0, idleTtl: 10 },
      }));
      const outcomes = await Promise.all(uses.map((use) => server.families.rotate(use)));
      expect(new Set(outcomes.map(({ outcome }) => outcome))).to.deep.equal(new Set(["rotated"]));
      await server.families.sweep(2);
      const lines = async (name: string) =>
        (await readFile(join(folder, name), "utf8")).split("\n").length;
      expect(await lines("families/families.jsonl")).to.be.below(1_100);
      expect((await commandLine.families.get("f"))?.currentHash).to.equal("h5000");
      expect(await commandLine.revocations.list(0)).to.deep.equal([]);
      for (let n = 0; n < 30; n++) {
        const some = Array.from({ length: 100 }, (_, k) => ({ subject: `s${k}`, issuedBefore: n }));
        await Promise.all(some.map((revocation) => server.revocations.add(revocation)));
      }
      expect(await lines("revocations/revocations.jsonl")).to.be.below(1_310);
      const listed = await commandLine.revocations.list(0);
      expect(listed).to.have.length(100);
      expect(new Set(listed.map(({ issuedBefore }) => issuedBefore))).to.deep.equal(new Set([29]));
      await server.close();
    });
  });

  it("loses no revocation, and tells each process of each of the others', when several revoke at once", async () => {
    await withFolder(async (folder) => {
      const clock = new ManualClock();
      const stores = Array.from({ length: 3 }, () => fileStore(folder, { testing: { clock } }));
      const told = stores.map((store) => {
        const names: string[] = [];
        store.revocations.subscribe(({ jti = "" }) => names.push(jti));
        return names;
      });
      await Promise.all(stores.map((store) => store.revocations.list(0)));
      const all = stores.flatMap((_, s) => Array.from({ length: 20 }, (_, n) => `${s}-${n}`));
      await Promise.all(all.map((jti, n) => stores[n % 3]?.revocations.add({ jti })));
      await eventually(() => {
        clock.advance(500);
        for (const names of told) expect(names).to.have.members(all);
      });
      expect((await fileStore(folder).revocations.list(0)).map(({ jti }) => jti)).to.have.members(
        all,
      );
      await Promise.all(stores.map((store) => store.close()));
    });
  });

  it("undoes what it could not make durable, and says so to whoever asked", async () => {
    await withFolder(async (folder) => {
      const store = fileStore(folder);
      await store.families.add(family);
      const path = join(folder, "families", "families.jsonl");
      await rename(path, `${path}.aside`);
      await mkdir(path); // nothing can be written there
      const use = {
        familyId: "f",
        clientId: "web",
        presentedHash: "h0",
        generation: 2,
        nextHash: "h1",
        now: 1,
        reuseWindow: 0,
        idleTtl: 10,
      };
      const refused = await Promise.all([
        rejectionOf(store.families.rotate(use)),
        rejectionOf(store.families.add({ ...family, id: "g" })),
      ]);
      expect(refused).to.have.length(2);
      expect([await store.families.get("f"), await store.families.get("g")]).to.deep.equal([
        family,
        undefined,
      ]);
      await rmdir(path);
      await rename(`${path}.aside`, path);
      expect((await store.families.rotate(use)).outcome).to.equal("rotated");
      await store.close();
    });
  });

  it("names a damaged file", async () => {
    await withFolder(async (folder) => {
      const store = fileStore(folder);
      await store.users.add(ada);
      const [file = ""] = await filesIn(join(folder, "users"));
      for (const text of ["{", "", "null", "[]", '{"username":"ada"}']) {
        await writeFile(file, text);
        expect((await rejectionOf(store.users.get("ada"))).message).to.include(file);
      }
    });
  });

  it("clears away what a dead process left half-written, and nothing of a living one", async () => {
    await withFolder(async (folder) => {
      await mkdir(join(folder, "users"));
      await writeFile(join(folder, "users", `.ab.json.${await deadPid()}-1.tmp`), "{");
      await writeFile(join(folder, "users", ".cd.json.1-1.tmp"), "{");
      expect(await fileStore(folder).users.list()).to.deep.equal([]);
      expect(await readdir(join(folder, "users"))).to.deep.equal([".cd.json.1-1.tmp"]);
    });
  });

  it("lets one process serve from a folder, and names it to the next, who may still change users", async () => {
    await withFolder(async (folder) => {
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, "server.lock"), "1\n"); // a process that certainly runs
      const store = fileStore(folder);
      const refusal = await rejectionOf(store.secrets.replace("key", "value", undefined));
      const { message } = refusal;
      expect(refusal).to.include({ code: "FOLDER_IN_USE" });
      expect(message)
        .to.include(`process 1 already serves from ${folder}: stop it`)
        .and.to.include("delete server.lock there");
      expect(message.split(folder)).to.have.length(2); // named once
      expect((await rejectionOf(store.families.revoke("f"))).message).to.equal(message);
      expect(await store.users.add(ada)).to.equal(true);
      await store.revocations.add({ subject: "ada", issuedBefore: 1 });
      await store.close();
      expect(await readFile(join(folder, "server.lock"), "utf8")).to.equal("1\n");
    });
  });

  it("takes over the lock of a dead process, and gives it back when it closes", async () => {
    await withFolder(async (folder) => {
      await writeFile(join(folder, "server.lock"), `${await deadPid()}\n`);
      const store = fileStore(folder);
      expect(await store.secrets.replace("key", "value", undefined)).to.equal(true);
      expect(await readFile(join(folder, "server.lock"), "utf8")).to.equal(`${process.pid}\n`);
      await store.close();
      expect(await readdir(folder)).to.not.include("server.lock");
    });
  });

  it("sees users as another process has changed them", async () => {
    await withFolder(async (folder) => {
      const server = fileStore(folder);
      const commandLine = fileStore(folder);
      await server.users.add(ada);
      await commandLine.users.update("ada", { passwordHash: "new" });
      expect((await server.users.get("ada"))?.passwordHash).to.equal("new");
      expect(
        await server.users.update("ada", { passwordHash: "rehashed" }, { passwordHash: "hash" }),
      ).to.equal(false);
    });
  });

  it("loses no update when two stores change one user at once", async () => {
    await withFolder(async (folder) => {
      const stores = [fileStore(folder), fileStore(folder)];
      await stores[0]?.users.add({ ...ada, passwordHash: "0" });
      const increment = async (index: number): Promise<void> => {
        for (;;) {
          const users = stores[index % 2]?.users;
          const now = (await users?.get("ada"))?.passwordHash ?? "";
          if (
            await users?.update(
              "ada",
              { passwordHash: `${Number(now) + 1}` },
              { passwordHash: now },
            )
          )
            return;
        }
      };
      await Promise.all(Array.from({ length: 10 }, (_, index) => increment(index)));
      expect((await stores[0]?.users.get("ada"))?.passwordHash).to.equal("10");
    });
  });

  it("tells of another process's revocations at its next look, once", async () => {
    await withFolder(async (folder) => {
      const clock = new ManualClock();
      const server = fileStore(folder, { testing: { clock } });
      const commandLine = fileStore(folder);
      await commandLine.revocations.add({ jti: "before" });
      const told: Revocation[] = [];
      const announced: (number | undefined)[] = [];
      const heard = new Promise<void>((resolve) => {
        server.revocations.subscribe((revocation, announcedAt) => {
          told.push(revocation);
          announced.push(announcedAt);
          resolve();
        });
      });
      expect(await server.revocations.list(0)).to.deep.equal([{ jti: "before" }]);
      await commandLine.revocations.add({ jti: "theirs" });
      clock.advance(500);
      await heard;
      await server.revocations.add({ jti: "ours" });
      clock.advance(500);
      expect(told).to.deep.equal([{ jti: "theirs" }, { jti: "ours" }]);
      expect(announced[0], "when it was written").to.be.closeTo(Date.now(), 60_000);
      expect(announced[1], "by this process itself").to.equal(undefined);
      await server.close();
      expect(clock.pending).to.equal(0);
    });
  });
});

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  return child.pid ?? 0;
}
