import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { runCli, shownPassword, startDev } from "../helpers/cli/command-line.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { withFolder } from "../helpers/temporary-folder.js";

describe("jotwire sessions", function () {
  this.timeout(60_000); // many processes

  it("lists, kicks and revokes on a running server, with an administrator's token", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder);
      const password = shownPassword(server);
      const tokenOf = async (user: string, input: string) =>
        (await runCli(["token", "--url", server.base, "--user", user], { input })).stdout.trim();
      await runCli(["user", "add", "bob", "--scope", "numbers:read", "--state", folder], {
        input: "correct horse battery",
      });
      const [admin, bobs] = [
        await tokenOf("ada", password),
        await tokenOf("bob", "correct horse battery"),
      ];
      const file = join(folder, "admin.jwt");
      await writeFile(file, `${admin}\n`);
      const sessions = (verb: string, ...args: string[]) =>
        runCli(["sessions", verb, server.url, ...args], { env: { JOTWIRE_TOKEN: admin } });

      const first = await RawClient.connect(server.url);
      await first.authenticate(bobs);
      const table = await sessions("list");
      expect(table.code, table.stderr).to.equal(0);
      expect(table.stdout)
        .to.match(/^ID +STATE +SUBJECT/)
        .and.match(/^\S+ +active +bob +127\.0\.0\.1 +\S+ \S+ +\d+ s/m);
      const json = await runCli([
        "sessions",
        "list",
        server.url,
        "--token-file",
        file,
        "--subject",
        "bob",
        "--json",
      ]);
      expect(JSON.parse(json.stdout)).to.deep.include({ total: 1, nodes: 1, complete: true });

      expect((await sessions("kick", "--subject", "bob")).stderr).to.equal("1 kicked\n");
      expect(await first.closed).to.deep.equal({ code: 4403, reason: "kicked" });

      const second = await RawClient.connect(server.url);
      await second.authenticate(bobs);
      expect(
        (await sessions("revoke", "--subject", "bob", "--reason", "left the company")).stderr,
      ).to.equal("revoked\n");
      expect(await second.closed).to.deep.equal({ code: 4401, reason: "token_revoked" });
    }));

  it("says what is missing: a token, the scope, or whom", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder);
      await runCli(["user", "add", "bob", "--scope", "numbers:read", "--state", folder], {
        input: "correct horse battery",
      });
      const bob = ["--user", "bob", "--password-stdin"];
      const refused = await runCli(["sessions", "list", server.url, ...bob], {
        input: "correct horse battery",
      });
      expect(refused.code).to.equal(6);
      expect(refused.stderr).to.include("-32003").and.include("admin");
      const nobody = await runCli(["sessions", "list", server.url]);
      expect(nobody.code).to.equal(5);
      expect(nobody.stderr).to.include("JOTWIRE_TOKEN");
      for (const [verb, flag] of [
        ["kick", "--subject"],
        ["revoke", "--jti"],
      ] as const) {
        const usage = await runCli(["sessions", verb, server.url]);
        expect(usage.code).to.equal(2);
        expect(usage.stderr).to.include(flag);
      }
      const unreadable = await runCli([
        "sessions",
        "list",
        server.url,
        "--token-file",
        join(folder, "nothing"),
      ]);
      expect(unreadable.code).to.equal(3);
    }));
});
