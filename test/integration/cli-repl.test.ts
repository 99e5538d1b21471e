import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import {
  mainFile,
  RunningCli,
  runCli,
  shownPassword,
  startDev,
} from "../helpers/cli/command-line.js";
import { startPrices } from "../helpers/cli/prices-app.js";
import { eventually } from "../helpers/eventually.js";
import { requires, runs } from "../helpers/requirement.js";
import { withFolder } from "../helpers/temporary-folder.js";

const python = "/usr/bin/python3";
const terminal = fileURLToPath(new URL("../helpers/cli/terminal.py", import.meta.url));

/** A dialog in a pseudo terminal, whose history is in `home`. */
const talk = (home: string, url: string, token: string, flags: readonly string[] = []) =>
  new RunningCli(["repl", url, ...flags], {
    command: [python, terminal, process.execPath, mainFile],
    env: { HOME: home, JOTWIRE_TOKEN: token, TERM: "xterm" },
    keepsInput: true,
  });

const historyOf = (home: string) => readFile(join(home, ".jotwire_history"), "utf8");

describe("jotwire repl, without a terminal", function () {
  this.timeout(60_000); // many processes

  it("runs the lines of its input, and ends", async () => {
    await using prices = await startPrices();
    const { code, stdout, stderr } = await runCli(["repl", prices.url], {
      env: { JOTWIRE_TOKEN: prices.token() },
      input: '# sums\nprices.add {"first":1,"second":2}\n\nping\nprices.add {"first":3,"second":4}',
    });
    expect({ code, stdout, stderr }).to.deep.equal({
      code: 0,
      stdout: '3\n"pong"\n7\n',
      stderr: "",
    });
  });

  it("goes on after a line that fails, and its exit code is that of the first one", async () => {
    await using prices = await startPrices();
    const run = (input: string, JOTWIRE_TOKEN = prices.token()) =>
      runCli(["repl", prices.url], { env: { JOTWIRE_TOKEN }, input });
    const failed = await run("prices.none\nprices.add {\nping\n");
    expect(failed).to.deep.include({ code: 6, stdout: '"pong"\n' });
    expect(failed.stderr.split("\n")[0]).to.include("-32601 Method not found");
    expect(failed.stderr.split("\n")[1]).to.include("the params are no JSON");
    expect((await run("prices.add {\nprices.none\n")).code).to.equal(2);
    expect((await run("ping\n", "no-token")).code).to.equal(5);
    const auth = await run('authenticate {"token":"x"}\nlogout\nping\n');
    expect(auth).to.deep.include({ code: 2, stdout: '"pong"\n' });
    expect(auth.stderr).to.include("authenticate is sent by itself");
  });

  it("takes the password from the first line with --user", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder);
      const args = ["repl", server.url, "--user", "ada"];
      const input = `${shownPassword(server)}\nnumbers.double {"n":21}\n`;
      expect(await runCli(args, { input })).to.deep.include({
        code: 0,
        stdout: "42\n",
        stderr: "",
      });
      expect((await runCli(args, { input: "wrong\nping\n" })).code).to.equal(5);
      expect((await runCli(args, { input: "" })).code).to.equal(2);
    }));

  it("prints events and notifications between the answers, and ends subscriptions", async () => {
    await using prices = await startPrices();
    await using cli = new RunningCli(["repl", prices.url, "--on", "market.closed"], {
      env: { JOTWIRE_TOKEN: prices.token() },
      keepsInput: true,
    });
    cli.type('prices.watch {"sku":"C3"}\n');
    await eventually(() => expect(prices.state.subscribed).to.equal(1));
    await prices.publish(1);
    await cli.printed(/^prices\.watch \{"n":1\}$/m);
    cli.type("prices.close\n");
    await cli.printed(/^market\.closed \{"at":"17:30"\}$/m);
    cli.type(
      '.unsubscribe prices.watch\n.unsubscribe prices.watch\n.subscribe prices.count {"to":1}\n',
    );
    await cli.printed(/there is no subscription of prices\.watch/);
    await cli.printed(/^prices\.count \{"n":1\}$/m);
    await cli.printed(/prices\.count: the subscription is complete/);
    await prices.publish(2);
    cli.type("ping\n.exit\n");
    expect(await cli.exited).to.equal(2);
    expect(cli.stdout).to.include('"pong"').and.not.include('"n":2');
  });
});

describe("jotwire repl, in a terminal", function () {
  this.timeout(60_000); // many processes

  before(function () {
    requires(this, "python3", () => runs(python, "-c", "import pty, termios"));
  });

  it("tells in its prompt who it is and for how long, completes names and params, and leaves at Ctrl-D", () =>
    withFolder(async (home) => {
      await using prices = await startPrices();
      await using cli = talk(home, prices.url, prices.token(3_000));
      await cli.printed(/user-1 49 min> /);
      cli.type("prices.a\t");
      await cli.printed(/prices\.add /);
      cli.type("\t");
      await cli.printed(/prices\.add \{"first":0,"second":0\}/);
      cli.type("\r");
      await cli.printed(/\r\n0\r\n/);
      cli.type(".help prices.add\r");
      await cli.printed(/prices\.add: Adds two numbers\r\n {2}first: number\r\n/);
      cli.type("\u0004");
      expect(await cli.exited, cli.stdout).to.equal(0);
    }));

  it("counts the last minutes of a session down, and ends with 5 when its only token is refused", () =>
    withFolder(async (home) => {
      await using prices = await startPrices();
      await using cli = talk(home, prices.url, prices.token(100, { jti: "t1" }));
      const left = Number(await cli.printed(/user-1 (\d\d) s> /));
      await cli.printed(new RegExp(`user-1 (${left - 1}|${left - 2}|${left - 3}) s> `));
      await prices.server.revoke({ jti: "t1" });
      expect(await cli.exited).to.equal(5);
      expect(cli.stdout).to.match(/jotwire: the token was refused [^\r]*log in again/);
    }));

  it("prints events above a line that is being typed, and keeps the line", () =>
    withFolder(async (home) => {
      await using prices = await startPrices();
      await using cli = talk(home, prices.url, prices.token());
      await cli.printed(/user-1 9 min> /);
      cli.type(".sub\t"); // a tab in the midst of what comes at once is a pasted one
      await cli.printed(/\.subscribe /);
      cli.type("prices.w\t");
      await cli.printed(/prices\.watch /);
      cli.type('{"sku":"C3"}\r');
      await eventually(() => expect(prices.state.subscribed).to.equal(1));
      cli.type('prices.add {"first":20,');
      await cli.printed(/"first":20,/);
      await prices.publish(1);
      await cli.printed(/\[0Jprices\.watch \{"n":1\}\r\n/);
      cli.type('"second":22}\r');
      await cli.printed(/\r\n42\r\n/);
      cli.type(".exit\r");
      expect(await cli.exited).to.equal(0);
    }));

  it("cancels the call that runs at Ctrl-C, clears a line, and leaves at an empty one", () =>
    withFolder(async (home) => {
      await using prices = await startPrices();
      await using cli = talk(home, prices.url, prices.token());
      await cli.printed(/user-1 9 min> /);
      cli.type("prices.wait\r");
      await eventually(async () => {
        const { sessions } = await prices.server.sessions();
        expect(sessions[0]?.calls).to.be.above(2); // after authenticate and rpc.discover
      });
      cli.type("\u0003");
      await cli.printed(/cancelled\r\n/);
      cli.type("half a line\u0003ping\r");
      await cli.printed(/\r\n"pong"\r\n/);
      cli.type("\u0003");
      expect(await cli.exited).to.equal(0);
    }));

  it("keeps the lines for the next time, for the user alone, and no token or password", () =>
    withFolder(async (home) => {
      await using prices = await startPrices();
      const file = join(home, ".jotwire_history");
      await writeFile(file, "ping\n");
      await chmod(file, 0o644);
      const token = prices.token();
      const secrets = [
        `prices.none {"a":"${token}"}`,
        'prices.none {"password":"hunter2"}',
        'prices.none {"a":"c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA"}',
        " prices.none",
        `authenticate {"a":"x"}`,
      ];
      {
        await using cli = talk(home, prices.url, token);
        await cli.printed(/user-1 9 min> /);
        for (const line of ['prices.add {"first":1,"second":5}', ...secrets, ".exit"])
          cli.type(`${line}\r`);
        expect(await cli.exited).to.equal(0);
      }
      expect(await historyOf(home)).to.equal('ping\nprices.add {"first":1,"second":5}\n.exit\n');
      expect((await stat(file)).mode & 0o777).to.equal(0o600);
      await using cli = talk(home, prices.url, token);
      await cli.printed(/user-1 9 min> /);
      cli.type("\u001b[A\u001b[A\r"); // twice up
      await cli.printed(/\r\n6\r\n/);
      cli.type(".exit\r");
      expect(await cli.exited).to.equal(0);
    }));

  it("asks for the password without showing it, and renews the session by itself", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder, { flags: ["--token-ttl", "5000"] });
      await using cli = talk(folder, server.url, "", ["--user", "ada"]);
      await cli.printed(/password: /);
      const password = shownPassword(server);
      cli.type(`${password}\r`);
      await cli.printed(/ada [1-5] s> /);
      cli.type('numbers.double {"n":4}\r');
      await cli.printed(/\r\n8\r\n/);
      cli.type(".refresh\rwhoami\r");
      await cli.printed(/"state": ?"active"/);
      await server.cli.printed(/event="refresh\.ok"/); // of the same login, not another one
      expect(server.cli.stderr.match(/event="login\.ok"/g)).to.have.lengthOf(1);
      expect(cli.stdout).to.not.include(password);
      cli.type(".exit\r");
      expect(await cli.exited).to.equal(0);
    }));
});
