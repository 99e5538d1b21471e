import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import {
  type DevServer,
  type Finished,
  runCli,
  shownPassword,
  startDev,
} from "../helpers/cli/command-line.js";
import { eventually } from "../helpers/eventually.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { withFolder } from "../helpers/temporary-folder.js";

function tokenFor(server: DevServer, username: string, password: string): Promise<Finished> {
  return runCli(["token", "--url", server.base, "--user", username], { input: password });
}

describe("jotwire user", function () {
  this.timeout(60_000); // many processes

  const password = "correct horse battery";

  it("adds, lists, disables, enables and removes users beside a running server", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder);
      const user = (verb: string, ...args: string[]) =>
        runCli(["user", verb, ...args, "--state", folder], { input: `${password}\n` });

      expect(
        (await user("add", "bob", "--scope", "numbers:read", "--scope", "numbers:write")).code,
      ).to.equal(0);
      const [, bob] = JSON.parse((await user("list", "--json")).stdout);
      expect(bob).to.deep.include({
        username: "bob",
        scopes: ["numbers:read", "numbers:write"],
        disabled: false,
      });
      expect((await user("list")).stdout).to.match(
        /^bob +active +\S+ +numbers:read numbers:write$/m,
      );
      expect((await tokenFor(server, "bob", password)).code).to.equal(0);

      expect((await user("disable", "bob")).code).to.equal(0);
      expect((await user("list")).stdout).to.match(/^bob +disabled/m);
      expect((await tokenFor(server, "bob", password)).code).to.equal(5);
      expect((await user("enable", "bob")).code).to.equal(0);
      expect((await tokenFor(server, "bob", password)).code).to.equal(0);

      expect((await user("remove", "bob")).code).to.equal(0);
      expect((await user("list")).stdout).to.not.include("bob");
      expect((await tokenFor(server, "bob", password)).code).to.equal(5);
    }));

  it("gives a new password, and ends the sessions of the old one on the running server", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder);
      const old = shownPassword(server);
      const { stdout: token } = await tokenFor(server, "ada", old);
      const client = await RawClient.connect(server.url);
      expect((await client.authenticate(token)).error).to.equal(undefined);

      const changed = await runCli(
        ["user", "passwd", "ada", "--password-stdin", "--state", folder],
        { input: password },
      );
      expect(changed.code).to.equal(0);
      expect(await client.closed).to.deep.equal({ code: 4401, reason: "token_revoked" });
      expect((await tokenFor(server, "ada", old)).code).to.equal(5);
      expect((await tokenFor(server, "ada", password)).code).to.equal(0);
    }));

  it("changes scopes and claims of a live session on the running server, and signs it out everywhere", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder);
      const password = shownPassword(server);
      const user = (...args: string[]) => runCli(["user", ...args, "--state", folder]);
      const { stdout: token } = await tokenFor(server, "ada", password);
      const client = await RawClient.connect(server.url);
      expect((await client.authenticate(token)).error).to.equal(undefined);

      expect((await user("set", "ada", "--scope", "numbers:read")).code).to.equal(0);
      expect((await client.notification("auth.refreshRequired")).params).to.include({
        reason: "claims_changed",
      });
      const renewed = (await tokenFor(server, "ada", password)).stdout;
      const answer = await client.call("refresh", { token: renewed });
      expect(answer.result).to.deep.include({ scopes: ["numbers:read"] });

      expect((await user("logout", "ada")).code).to.equal(0);
      expect(await client.closed).to.deep.equal({ code: 4401, reason: "token_revoked" });
      expect((await tokenFor(server, "ada", password)).code).to.equal(0);
      await user("set", "ada", "--no-scopes", "--claims", '{"role":"guest"}', "--margin", "0");
      const [ada] = JSON.parse((await user("list", "--json")).stdout);
      expect(ada).to.deep.include({ scopes: [], claims: { role: "guest" } });
    }));

  it("says to which folder a user was added, and when that was made new", () =>
    withFolder(async (folder) => {
      const state = join(folder, "state");
      const add = (name: string) =>
        runCli(["user", "add", name, "--state", state], { input: password });
      expect((await add("bob")).stderr).to.match(
        new RegExp(
          `^user bob added to ${state}\\nthe state folder ${state} was made new: [^\\n]+\\n$`,
        ),
      );
      expect((await add("eve")).stderr).to.equal(`user eve added to ${state}\n`);
    }));

  it("invites a user and resets a password by tokens that the running server takes once", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder);
      const user = (...args: string[]) => runCli(["user", ...args, "--state", folder]);
      const set = async (token: string) => {
        const body = new URLSearchParams({ password_token: token, password });
        const { status } = await fetch(`${server.base}/password`, { method: "POST", body });
        return status;
      };
      const invited = await user("invite", "bob", "--scope", "numbers:read");
      expect(invited.stdout).to.match(/^Ym9i\.[\w-]{43}\n$/);
      expect(invited.stderr).to.equal(
        "user bob added, without a password; whoever has this token can set it, once\n",
      );
      expect((await user("list")).stdout).to.match(/^bob +invited +\S+ +numbers:read$/m);
      expect((await tokenFor(server, "bob", password)).code).to.equal(5);
      expect(await set(invited.stdout.trim())).to.equal(200);
      expect((await user("list")).stdout).to.match(/^bob +active/m);
      const page = "https://app.example.com/password";
      const reset = await user("reset", "bob", "--page", page, "--expires-in", "60");
      const [link = "", token = ""] = reset.stdout.trim().split("#");
      expect(link).to.equal(page);
      expect(reset.stderr).to.not.include(token);
      expect([await set(token), await set(token)]).to.deep.equal([200, 400]);
      expect((await tokenFor(server, "bob", password)).code).to.equal(0);
      expect(server.cli.stdout + server.cli.stderr).to.not.include(token);
    }));

  it("never shows a password", () =>
    withFolder(async (folder) => {
      const { stdout, stderr } = await runCli(["user", "add", "bob", "--state", folder], {
        input: password,
      });
      expect(stdout + stderr)
        .to.include("bob")
        .and.not.include(password);
    }));

  it("ends with 2 when what is asked for can't be", () =>
    withFolder(async (folder) => {
      await runCli(["user", "add", "bob", "--state", folder], { input: password });
      await runCli(["user", "invite", "off", "--state", folder]);
      await runCli(["user", "disable", "off", "--state", folder]);
      const refusals = [
        [["add", "bob"], password, "exists already"],
        [["add", "eve"], "short", "at least 8"],
        [["add", "eve"], "", "no password on standard input"],
        [["add", "eve", "--scope", "two words"], password, "is no scope"],
        [["add", "eve", "--claims", "[1]"], password, "--claims must be a JSON object"],
        [["passwd", "nobody"], password, 'no user "nobody"'],
        [["remove", "nobody"], "", 'no user "nobody"'],
        [["set", "nobody", "--no-scopes"], "", 'no user "nobody"'],
        [["set", "bob"], "", "say what to change"],
        [["set", "bob", "--scope", "a", "--no-scopes"], "", "not both"],
        [["logout", "nobody"], "", 'no user "nobody"'],
        [["reset", "nobody"], "", 'no user "nobody"'],
        [["invite", "bob"], "", "exists already"],
        [["invite", "eve", "--page", "app.example.com"], "", "--page must be a URL"],
        [["invite", "eve", "--page", "https://app.example.com/#/p"], "", "without a fragment"],
        [["invite", "eve", "--expires-in", "59"], "", "a whole number from 60 to 2592000"],
        [["reset", "off"], "", "user off is disabled: jotwire user enable off"],
      ] as const;
      for (const [args, input, message] of refusals) {
        const { code, stderr } = await runCli(["user", ...args, "--state", folder], { input });
        expect(code, args.join(" ")).to.equal(2);
        expect(stderr)
          .to.match(/^jotwire: [^\n]+\n$/)
          .and.include(message);
      }
    }));

  it("ends with 3 when there is no such state folder, or it is damaged", () =>
    withFolder(async (folder) => {
      expect((await runCli(["user", "list", "--state", join(folder, "none")])).code).to.equal(3);
      await writeFile(join(folder, "issuer.json"), "{");
      const { code, stderr } = await runCli(["user", "list", "--state", folder]);
      expect(code).to.equal(3);
      expect(stderr).to.include("issuer.json cannot be read");
    }));
});

describe("jotwire client", function () {
  this.timeout(60_000); // many processes

  it("makes a client whose secret gets it a token, and removes it again", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder);
      const added = await runCli([
        "client",
        "add",
        "billing",
        "--scope",
        "numbers:read",
        "--json",
        "--state",
        folder,
      ]);
      const { clientId, clientSecret } = JSON.parse(added.stdout);
      const token = (secret: string) =>
        runCli(
          [
            "token",
            "--url",
            server.base,
            "--client-id",
            clientId,
            "--client-secret-stdin",
            "--json",
          ],
          { input: secret },
        );

      const granted = await token(clientSecret);
      expect(granted.code).to.equal(0);
      const { access_token, token_type, scope } = JSON.parse(granted.stdout);
      expect({ token_type, scope }).to.deep.equal({ token_type: "Bearer", scope: "numbers:read" });
      const called = await runCli(["call", server.url, "numbers.double", '{"n":4}'], {
        env: { JOTWIRE_TOKEN: access_token },
      });
      expect(called).to.include({ code: 0, stdout: "8\n" });

      expect((await token(`${clientSecret}x`)).code).to.equal(5);
      expect((await runCli(["client", "list", "--state", folder])).stdout).to.match(
        /^billing +\S+ +numbers:read$/m,
      );
      const removed = await runCli(["client", "remove", "billing", "--state", folder]);
      expect(removed).to.include({
        code: 0,
        stderr: "client billing removed, and its tokens revoked\n",
      });
      expect((await token(clientSecret)).code).to.equal(5);
      await eventually(async () => {
        const refused = await runCli(["call", server.url, "numbers.double", '{"n":4}'], {
          env: { JOTWIRE_TOKEN: access_token },
        });
        expect(refused.stderr).to.match(/revoked/i);
      });
      const help = (await runCli(["client", "--help"])).stdout.replaceAll(/\s+/g, " ");
      expect(help).to.include("remove a client, and revoke the tokens that it has");
      expect((await runCli(["client", "remove", "billing", "--state", folder])).code).to.equal(2);
    }));
});

describe("jotwire call", function () {
  this.timeout(60_000); // many processes

  it("tells by its exit code whether it was answered, refused, or not connected", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder);
      const password = shownPassword(server);
      const { stdout } = await tokenFor(server, "ada", password);
      const call = (args: readonly string[], JOTWIRE_TOKEN: string, input = "") =>
        runCli(["call", ...args], { env: { JOTWIRE_TOKEN }, input });
      const token = stdout.trim();
      const cases = [
        [0, [server.url, "public.hello"], "", ""],
        [0, [server.base, "numbers.double", '{"n":2}'], token, ""], // http, and no path
        [2, [server.url, "numbers.double", "{"], token, `such as '{"id":"o1"}'`],
        [2, [server.url, "numbers.double", "2"], token, "must be a JSON object or array"],
        [2, ["ftp://localhost", "x"], token, "is not a URL that begins with"],
        [3, ["ws://api.invalid", "x"], token, "unencrypted"],
        [
          4,
          ["ws://127.0.0.1:1", "x"],
          "",
          "nothing listens at ws://127.0.0.1:1/rpc (ECONNREFUSED)",
        ],
        [4, ["ws://nowhere.invalid", "x"], "", "nowhere.invalid can't be found"],
        [
          4,
          [`${server.base}/elsewhere`, "public.hello"],
          "",
          "(HTTP 404): the WebSocket is at /rpc",
        ],
        [
          4,
          [`${server.url}?token=secret`, "public.hello"],
          "",
          '(HTTP 400): remove "token" from the URL',
        ],
        [4, [server.url, "slow", '{"ms":5000}', "--timeout", "500"], token, "--timeout"],
        [5, [server.url, "numbers.double"], "", "-32001 Not authenticated (unauthenticated)"],
        [
          5,
          [server.url, "numbers.double"],
          "no-token",
          "the token was refused (-32004 token_invalid): ",
        ],
        [6, [server.url, "numbers.clear"], token, "1001 LOCKED"],
        [6, [server.url, "nothing.there"], token, "-32601 Method not found"],
        [6, [server.url, "numbers.double"], token, "\"}: look the errorId up in the server's log"],
      ] as const;
      for (const [code, args, given, message] of cases) {
        const finished = await call(args, given);
        expect(finished, args.join(" ")).to.include({ code });
        if (code !== 0) expect(finished.stdout).to.equal("");
        expect(finished.stderr)
          .to.match(code === 0 ? /^$/ : /^jotwire: [^\n]+\n$/)
          .and.include(message);
        if (given.length > 20) expect(finished.stderr).to.not.include(given);
      }
    }));

  it("logs in by itself with --user", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder);
      const args = ["call", server.url, "numbers.double", '{"n":21}', "--user", "ada"];
      expect(await runCli(args, { input: shownPassword(server) })).to.include({
        code: 0,
        stdout: "42\n",
      });
      expect((await runCli(args, { input: "wrong password" })).code).to.equal(5);
      expect((await runCli([...args, "--token", "x"], { input: "password" })).code).to.equal(2);
    }));

  it("is refused with -32003 and 6 where a scope is missing", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder);
      await runCli(["user", "add", "bob", "--scope", "numbers:read", "--state", folder], {
        input: "a good password",
      });
      const args = (method: string) => ["call", server.url, method, '{"n":1}', "--user", "bob"];
      expect((await runCli(args("numbers.double"), { input: "a good password" })).code).to.equal(0);
      const { code, stderr } = await runCli(args("numbers.clear"), { input: "a good password" });
      expect(code).to.equal(6);
      expect(stderr).to.include("-32003 Forbidden: the token lacks numbers:write\n");
    }));
});
