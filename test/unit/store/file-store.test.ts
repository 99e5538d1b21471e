import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import type { Revocation } from "../../../src/auth/revocation.js";
import { fileStore } from "../../../src/store/file-store.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { withFolder } from "../../helpers/temporary-folder.js";

const ada = {
  ...{ username: "ada", passwordHash: "hash", scopes: [], claims: {} },
  ...{ disabled: false, credentialVersion: "1", createdAt: 1 },
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
      for (const file of await filesIn(folder)) expect((await stat(file)).mode & 0o777, file).to.equal(0o600);
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
      expect(message).to.include(`process 1 already serves from ${folder}: stop it`).and.to.include("delete server.lock there");
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
      expect(await server.users.update("ada", { passwordHash: "rehashed" }, "hash")).to.equal(false);
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
          if (await users?.update("ada", { passwordHash: `${Number(now) + 1}` }, now)) return;
        }
      };
      await Promise.all(Array.from({ length: 10 }, (_, index) => increment(index)));
      expect((await stores[0]?.users.get("ada"))?.passwordHash).to.equal("10");
    });
  });

  it("tells of another process's revocations at its next look, once", async () => {
    await withFolder(async (folder) => {
      const clock = new ManualClock();
      const server = fileStore(folder, { clock });
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
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  return child.pid ?? 0;
}
