import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { runCli, smallApp } from "../helpers/cli/command-line.js";
import { withFolder } from "../helpers/temporary-folder.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";

/** One line that begins with the command's name. */
const oneLine = /^jotwire: [^\n]+\n$/;

describe("the command line", function () {
  this.timeout(60_000); // many processes

  it("tells its version", async () => {
    const { code, stdout } = await runCli(["--version"]);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^\d+\.\d+\.\d+\n$/);
  });

  it("explains every command, with examples and exit codes", async () => {
    for (const command of ["dev", "serve", "user", "client", "token", "call", "watch", "repl"]) {
      const { code, stdout } = await runCli([command, "--help"]);
      expect(code, command).to.equal(0);
      expect(stdout, command)
        .to.include(`Usage: jotwire ${command}`)
        .and.include("Examples:")
        .and.include("Exit codes:");
    }
  });

  it("answers wrong usage with one line and exit code 2", async () => {
    for (const args of [
      ["dev", "--prot", "1"],
      ["dev", "--port", "70000"],
      ["frobnicate"],
      ["serve"],
      ["user", "add"],
      ["call", "ws://localhost"],
      ["watch", "ws://localhost"],
      ["repl"],
    ]) {
      const { code, stderr } = await runCli(args);
      expect(code, args.join(" ")).to.equal(2);
      expect(stderr).to.match(oneLine);
    }
  });

  it("says how a command is used that lacks an argument, and which help to read", async () => {
    const commands = [
      [["serve"], "such as: jotwire serve dist/app.js; see jotwire serve --help"],
      [["user", "add"], "such as: jotwire user add bob; see jotwire user add --help"],
      [["dev", "--prot", "1"], "(Did you mean --port?); see jotwire dev --help"],
    ] as const;
    for (const [args, advice] of commands) expect((await runCli(args)).stderr).to.include(advice);
  });

  it("shows its help when it is told nothing, with exit code 2", async () => {
    const { code, stderr } = await runCli([]);
    expect(code).to.equal(2);
    expect(stderr).to.include("Usage: jotwire");
  });
});

describe("the settings of the command line", function () {
  this.timeout(60_000); // many processes

  /** Where `jotwire token` would log in, told by its failure to connect. */
  async function urlOf(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<string | undefined> {
    const { code, stderr } = await runCli(["token", "--user", "ada", ...args], {
      env,
      input: "password",
    });
    expect(code).to.equal(4);
    return /http:\/\/127\.0\.0\.1:1\/(\w+)\/login /.exec(stderr)?.[1];
  }

  it("come from a flag first, then from the environment, then from the file", () =>
    withFolder(async (folder) => {
      const config = join(folder, "jotwire.json");
      await writeFile(
        config,
        JSON.stringify({ url: "http://127.0.0.1:1/file", port: 1, origin: ["https://a.example"] }),
      );
      const env = { JOTWIRE_URL: "http://127.0.0.1:1/environment" };
      expect(await urlOf(["--config", config])).to.equal("file");
      expect(await urlOf([], { JOTWIRE_CONFIG: config })).to.equal("file");
      expect(await urlOf(["--config", config], env)).to.equal("environment");
      expect(await urlOf(["--config", config, "--url", "http://127.0.0.1:1/flag"], env)).to.equal(
        "flag",
      );
    }));

  it("are refused from a file with an unknown key, a wrong value, a secret or no JSON", () =>
    withFolder(async (folder) => {
      const config = join(folder, "jotwire.json");
      const files = [
        ['{"prot":1}', 'unknown key "prot"'],
        ['{"token":"x"}', 'unknown key "token"'],
        ['{"port":"many"}', "port: It must be a whole number"],
        ['{"port":[1,2]}', "port must be one value"],
        ["[]", "must hold a JSON object"],
        ["{", "can't be read"],
      ] as const;
      for (const [text, message] of files) {
        await writeFile(config, text);
        const { code, stderr } = await runCli(["dev", "--config", config]);
        expect(code, text).to.equal(3);
        expect(stderr).to.match(oneLine).and.include(message);
      }
    }));

  it("take no word but true and false for a switch, so that JOTWIRE_ALLOW_INSECURE=false is no yes", async () => {
    const args = [
      "serve",
      smallApp,
      "--issuer",
      "https://id.test",
      "--audience",
      "test",
      "--host",
      "0.0.0.0",
      "--port",
      "0",
    ];
    const off = await runCli(args, { env: { JOTWIRE_ALLOW_INSECURE: "false" } });
    expect(off.code).to.equal(3);
    expect(off.stderr).to.include("unencrypted");
    const unclear = await runCli(args, { env: { JOTWIRE_ALLOW_INSECURE: "maybe" } });
    expect(unclear.code).to.equal(3);
    expect(unclear.stderr).to.include("JOTWIRE_ALLOW_INSECURE must be true or false");
  });
});

describe("jotwire token", function () {
  this.timeout(60_000); // many processes

  const keys = createTestKeys();
  let token: string;

  before(() => {
    token = signToken(keys, { sub: "user-7" }); // now: the tests before this one take their time
  });

  it("decodes a token from its argument or standard input, and says that nothing is verified", async () => {
    for (const finished of [
      await runCli(["token", "--decode", token]),
      await runCli(["token", "--decode"], { input: `Bearer ${token}\n` }),
    ]) {
      expect(finished.code).to.equal(0);
      expect(finished.stdout)
        .to.include("NOT VERIFIED")
        .and.include('"sub": "user-7"')
        .and.match(/expires in 1[0-5] min/);
    }
  });

  it("tells since when a token has been dead", async () => {
    const exp = Math.floor(Date.now() / 1_000) - 7_200;
    const { stdout } = await runCli(["token", "--json", "--decode", signToken(keys, { exp })]);
    const decoded = JSON.parse(stdout);
    expect(decoded.verified).to.equal(false);
    expect(decoded.claims.exp).to.equal(exp);
    expect(decoded.expiresIn).to.be.within(-7_230, -7_200);
    expect((await runCli(["token", "--decode", signToken(keys, { exp })])).stdout).to.include(
      "expired 2 h",
    );
  });

  it("writes control characters of a token out", async () => {
    const { stdout } = await runCli([
      "token",
      "--decode",
      signToken(keys, { sub: "\u001b[2J\u009b2J" }),
    ]);
    expect(stdout).to.include("\\u009b2J").and.not.include("\u001b").and.not.include("\u009b");
  });

  it("refuses to decode what is no token, with exit code 2", async () => {
    for (const input of ["abc", "a.b.c", "W10.W10.x"]) {
      const { code, stderr } = await runCli(["token", "--decode", input]);
      expect(code).to.equal(2);
      expect(stderr).to.match(oneLine).and.include("no JWT");
    }
  });

  it("wants to know who asks, and a password: exit code 2", async () => {
    expect((await runCli(["token"])).code).to.equal(2);
    expect((await runCli(["token", "--user", "ada", "--client-id", "x"])).code).to.equal(2);
    const { code, stderr } = await runCli(["token", "--user", "ada"], { input: "" });
    expect(code).to.equal(2);
    expect(stderr).to.include("no password on standard input");
  });

  it("sends no password in the clear to another machine unless it is told to", async () => {
    const args = ["token", "--user", "ada", "--url", "http://id.invalid"];
    const refused = await runCli(args, { input: "password" });
    expect(refused.code).to.equal(3);
    expect(refused.stderr).to.include("unencrypted");
    const tried = await runCli([...args, "--allow-insecure"], { input: "password" });
    expect(tried.code).to.equal(4);
  });
});
