import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import {
  projectFolder,
  RunningCli,
  runCli,
  shownPassword,
  smallApp,
  startDev,
} from "../helpers/cli/command-line.js";
import { requires, runs } from "../helpers/requirement.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { upgrade } from "../helpers/server/upgrade.js";
import { withFolder } from "../helpers/temporary-folder.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";

/** Some Node versions run TypeScript by themselves. */
const canStripTypes = Boolean((process.features as { readonly typescript?: unknown }).typescript);

interface TokenAnswer {
  readonly access_token: string;
  readonly scope: string;
  readonly expires_in: number;
}

async function logIn(
  base: string,
  username: string,
  password: string,
): Promise<{ status: number; answer: TokenAnswer }> {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${base}/login`, {
    method: "POST",
    headers,
    body: JSON.stringify({ username, password }),
  });
  return { status: response.status, answer: (await response.json()) as TokenAnswer };
}

describe("jotwire dev", function () {
  this.timeout(60_000); // many processes

  it("makes a first user with all scopes of the app and the administrator's, shows its password once, and what to paste", () =>
    withFolder(async (folder) => {
      const state = join(folder, "state");
      await using server = await startDev(state);
      const password = shownPassword(server);
      const { stdout } = server.cli;
      expect(stdout).to.include(`npx wscat -c ${server.url}`).and.include(state);
      expect(stdout)
        .to.include(`curl -s ${server.base}/login`)
        .and.include(`Console    ${server.base}/console\n`);
      expect((await fetch(`${server.base}/console`)).status).to.equal(200);

      const { answer } = await logIn(server.base, "ada", password);
      expect(answer.scope).to.equal("numbers:read numbers:write admin");
      const pasted = /\{"jsonrpc":"2\.0","id":1,"method":"authenticate".*\}/
        .exec(stdout)?.[0]
        .replace("<access_token>", answer.access_token);
      const client = await RawClient.connect(server.url);
      client.send(pasted);
      expect((await client.nextWhere(({ id }) => id === 1)).result).to.include({ subject: "ada" });
      await client.close();
    }));

  it("keeps its users over a restart, and shows no password again", () =>
    withFolder(async (folder) => {
      const first = await startDev(folder);
      const password = shownPassword(first);
      await first[Symbol.asyncDispose](); // SIGKILL
      await using second = await startDev(folder);
      expect(second.cli.stdout)
        .to.include("was shown at the first start")
        .and.not.include(password);
      expect((await logIn(second.base, "ada", password)).status).to.equal(200);
      expect((await logIn(second.base, "ada", `${password}x`)).status).to.equal(400);
    }));

  it("keeps its state from other users of the machine", () =>
    withFolder(async (folder) => {
      const state = join(folder, "state");
      await using _server = await startDev(state);
      expect((await stat(state)).mode & 0o077).to.equal(0);
      for (const name of await readdir(state))
        expect((await stat(join(state, name))).mode & 0o077, name).to.equal(0);
    }));

  it("keeps its state, which has keys in it, out of git; a folder that was there is left as it is", () =>
    withFolder(async (folder) => {
      const state = join(folder, "state");
      await using _first = await startDev(state);
      expect(await readFile(join(state, ".gitignore"), "utf8")).to.equal("*\n");
      const other = join(folder, "other");
      await mkdir(other);
      await using _second = await startDev(other);
      expect(await readdir(other))
        .to.include("issuer.json")
        .and.not.include(".gitignore");
    }));

  it("gives tokens that are good for as long as --token-ttl says", () =>
    withFolder(async (folder) => {
      await using cli = new RunningCli([
        "dev",
        "--port",
        "0",
        "--state",
        folder,
        "--token-ttl",
        "30000",
      ]);
      const base = new URL("/", await cli.printed(/Login +(\S+)/)).origin;
      const { status, answer } = await logIn(base, "ada", await cli.printed(/Password +(\S+)/));
      expect({ status, expiresIn: answer.expires_in }).to.deep.equal({
        status: 200,
        expiresIn: 30,
      });
    }));

  it("serves a demo when it is given no module", () =>
    withFolder(async (folder) => {
      await using cli = new RunningCli(["dev", "--port", "0", "--state", folder]);
      const url = await cli.printed(/WebSocket +(\S+)/);
      const { code, stdout } = await runCli(["call", url, "time.now"]);
      expect(code).to.equal(0);
      expect(JSON.parse(stdout)).to.match(/^\d{4}-\d\d-\d\dT/);
    }));

  it("lets pages of this machine connect, on any port, and no other, whatever Host they claim", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder);
      const vite = ["http://localhost:5173", "https://localhost:5173", "http://127.0.0.1:3000"];
      for (const origin of [server.base, ...vite, "http://[::1]:5173", "http://localhost"])
        expect((await upgrade(server.url, { Origin: origin })).status, origin).to.equal(101);
      const { port } = new URL(server.url);
      const rebound = { Host: `evil.example:${port}`, Origin: `http://evil.example:${port}` };
      const others = ["http://evil.example", "http://localhost.evil.example:5173", "null"];
      for (const headers of [
        rebound,
        ...others.map((origin) => ({ Origin: origin })),
        { Host: "localhost", Origin: "http://localhost:5173@evil.example" },
      ])
        expect((await upgrade(server.url, headers)).status, headers.Origin).to.equal(403);
      await server.cli.printed(/pages of "http:\/\/evil\.example" may not connect/);
    }));

  it("ends with 4 when the port is taken, and without a user", () =>
    withFolder(async (folder) => {
      const other = createServer().listen(0, "127.0.0.1");
      await new Promise((resolve) => other.once("listening", resolve));
      const { port } = other.address() as { port: number };
      const { code, stderr } = await runCli(["dev", "--port", String(port), "--state", folder]);
      expect(code).to.equal(4);
      expect(stderr).to.include(`port ${port} is taken`);
      other.close();
      await using server = await startDev(folder);
      expect(shownPassword(server)).to.have.lengthOf(16);
    }));

  it("ends with 3 when another server has the state folder", () =>
    withFolder(async (folder) => {
      await using _server = await startDev(folder);
      const { code, stderr } = await runCli(["dev", "--port", "0", "--state", folder]);
      expect(code).to.equal(3);
      expect(stderr).to.match(
        /^jotwire: process \d+ already serves from [^\n]+, or give this server another folder \(--state\)\n$/,
      );
      expect(stderr.split(folder)).to.have.length(2); // named once
    }));

  it("tells a taken port and a taken folder before it runs the module", () =>
    withFolder(async (folder) => {
      const module = join(folder, "broken.mjs");
      await writeFile(module, 'throw new Error("it was run");');
      const state = join(folder, "state");
      await using server = await startDev(state);
      const { port } = new URL(server.base);
      expect(
        (await runCli(["dev", module, "--port", port, "--state", join(folder, "other")])).stderr,
      ).to.include(`port ${port} is taken`);
      expect((await runCli(["dev", module, "--port", "0", "--state", state])).stderr).to.include(
        "already serves from",
      );
      expect(
        (await runCli(["dev", module, "--port", "0", "--state", join(folder, "other")])).stderr,
      ).to.include("it was run");
      expect(await readdir(join(folder, "other"))).to.not.include("server.lock");
    }));

  it("shows its welcome before anything is logged", () =>
    withFolder(async (folder) => {
      await using server = await startDev(folder);
      expect(server.cli.stderr).to.equal("");
    }));

  it("says what to do about an ES module that Node takes for CommonJS, and about a package that is not installed", () =>
    withFolder(async (folder) => {
      await writeFile(join(folder, "package.json"), '{"type":"commonjs"}');
      await writeFile(join(folder, "app.js"), "export const app = 1;");
      await writeFile(join(folder, "missing.mjs"), 'import "@some/package/part";');
      await writeFile(join(folder, "misspelt.mjs"), 'import "./part.js";');
      const dev = async (module: string) =>
        (await runCli(["dev", module, "--port", "0"], { cwd: folder })).stderr;
      expect(await dev("app.js")).to.include(
        "jotwire: app.js is an ES module, but package.json does not say so; npm pkg set type=module, or rename the file to app.mjs\n",
      );
      expect(await dev("missing.mjs")).to.match(
        /Cannot find package '@some\/package' [^\n]+: npm install @some\/package\n$/,
      );
      expect(await dev("misspelt.mjs"))
        .to.include("part.js")
        .and.not.include("npm install");
    }));

  it("ends with 3 and the reason when the module can't be served", () =>
    withFolder(async (folder) => {
      const modules = [
        ["none.mjs", undefined, "no module at"],
        ["empty.mjs", "export const App = 1;", 'has no export "app"'],
        ["string.mjs", 'export const app = "x";', "is not a router"],
        [
          "foreign.mjs",
          "export const app = { routes: {}, notifications: new Map() };",
          "another copy of jotwire",
        ],
        ["broken.mjs", 'throw new Error("no database");', "Error: no database (at file:"],
        [
          "app.ts",
          "export const app: number = 1;",
          canStripTypes ? "is not a router" : "node --import tsx node_modules/.bin/jotwire dev ",
        ],
      ] as const;
      for (const [name, text, message] of modules) {
        if (text !== undefined) await writeFile(join(folder, name), text);
        const { code, stderr } = await runCli([
          "dev",
          join(folder, name),
          "--port",
          "0",
          "--state",
          join(folder, "state"),
        ]);
        expect(code, name).to.equal(3);
        expect(stderr)
          .to.match(/^jotwire: [^\n]+\n$/)
          .and.include(message);
      }
    }));
});

describe("a server of the command line that is told to stop", function () {
  this.timeout(60_000); // many processes

  /** A server with one call in flight that takes `ms`. */
  async function serverWithCall(folder: string, ms: number) {
    const server = await startDev(folder);
    const { answer } = await logIn(server.base, "ada", shownPassword(server));
    const client = await RawClient.connect(server.url);
    await client.authenticate(answer.access_token);
    client.send({ jsonrpc: "2.0", id: "slow", method: "slow", params: { ms } });
    await client.call("ping");
    return { server, client };
  }

  it("lets what is in flight finish, tells why it closes, and ends with 0", () =>
    withFolder(async (folder) => {
      const { server, client } = await serverWithCall(folder, 700);
      server.cli.signal("SIGTERM");
      expect((await client.notification("connection.closing")).params).to.include({
        reason: "server_restart",
        reconnect: "yes",
      });
      expect((await client.nextWhere(({ id }) => id === "slow")).result).to.equal("finished");
      expect(await client.closed).to.deep.equal({ code: 1012, reason: "server_restart" });
      expect(await server.cli.exited).to.equal(0);
    }));

  it("ends at once at a second signal, with 128 and the signal's number", async () => {
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      await withFolder(async (folder) => {
        const { server, client } = await serverWithCall(folder, 60_000);
        const first = signal === "SIGINT" ? "SIGTERM" : "SIGINT";
        server.cli.signal(first);
        await client.notification("connection.closing");
        server.cli.signal(signal);
        expect(await server.cli.exited).to.equal(code);
      });
    }
  });

  it("takes a signal that comes twice in a moment for one, as npm passes on what the whole process group got", () =>
    withFolder(async (folder) => {
      const { server, client } = await serverWithCall(folder, 700);
      server.cli.signal("SIGINT");
      await server.cli.printed(/shutting down/);
      server.cli.signal("SIGINT");
      expect((await client.nextWhere(({ id }) => id === "slow")).result).to.equal("finished");
      expect(await server.cli.exited).to.equal(0);
    }));

  it("logs what nobody caught, and ends in order with 1", () =>
    withFolder(async (folder) => {
      const { server, client } = await serverWithCall(folder, 300);
      client.send({ jsonrpc: "2.0", id: "crash", method: "crash" });
      expect((await client.nextWhere(({ id }) => id === "slow")).result).to.equal("finished");
      expect(await server.cli.exited).to.equal(1);
      expect(server.cli.stderr).to.include("nobody catches this");
    }));
});

describe("jotwire serve", function () {
  this.timeout(60_000); // many processes

  const keys = createTestKeys();
  const foreign = ["--issuer", "https://id.test", "--audience", "test"];

  async function serveWithKeys(folder: string, args: readonly string[] = []): Promise<RunningCli> {
    const jwks = join(folder, "jwks.json");
    await writeFile(jwks, JSON.stringify({ keys: [keys.publicJwk] }));
    return new RunningCli(["serve", smallApp, "--port", "0", ...foreign, "--jwks", jwks, ...args]);
  }

  it("accepts the tokens of the issuer that it is given, and logs lines of JSON", () =>
    withFolder(async (folder) => {
      await using cli = await serveWithKeys(folder);
      const url = await cli.printed(/"url":"([^"]+)"/);
      for (const line of cli.stderr.trim().split("\n"))
        expect(JSON.parse(line)).to.include.keys("time", "level", "msg");
      const call = ["call", url, "numbers.double", '{"n":21}'];
      const right = await runCli(call, {
        env: { JOTWIRE_TOKEN: signToken(keys, { scope: "numbers:read" }) },
      });
      expect(right).to.include({ code: 0, stdout: "42\n" });
      const wrong = await runCli(call, {
        env: { JOTWIRE_TOKEN: signToken(createTestKeys(), { scope: "numbers:read" }) },
      });
      expect(wrong.code).to.equal(5);
      cli.signal("SIGTERM");
      expect(await cli.exited).to.equal(0);
    }));

  it("reads audience and scopes where it is told, by flags or by the file, and demands a type", () =>
    withFolder(async (folder) => {
      const config = join(folder, "config.json");
      await writeFile(
        config,
        JSON.stringify({ scopesClaim: ["scope", "realm_access.roles"], audienceClaim: "azp" }),
      );
      const claims = { aud: "account", azp: "test", realm_access: { roles: ["numbers:read"] } };
      const tokenOf = (more: object = {}, typ = "at+jwt") =>
        signToken(keys, { scope: "openid", ...claims, ...more }, { typ });
      for (const args of [
        ["--config", config],
        ["--scopes-claim", "realm_access.roles", "--audience-claim", "azp"],
      ]) {
        await using cli = await serveWithKeys(folder, [...args, "--typ", "at+jwt"]);
        const url = await cli.printed(/"url":"([^"]+)"/);
        const codeWith = async (token: string) =>
          (
            await runCli(["call", url, "numbers.double", '{"n":21}'], {
              env: { JOTWIRE_TOKEN: token },
            })
          ).code;
        expect(await codeWith(tokenOf()), args.join(" ")).to.equal(0);
        expect(await codeWith(tokenOf({ realm_access: { roles: [] } })), "no scope").to.equal(6);
        expect(await codeWith(tokenOf({ azp: "other" })), "audience").to.equal(5);
        expect(await codeWith(tokenOf({}, "JWT")), "type").to.equal(5);
      }
      await using plain = await serveWithKeys(folder);
      const url = await plain.printed(/"url":"([^"]+)"/);
      const env = { JOTWIRE_TOKEN: tokenOf({ aud: "test" }) };
      const refused = await runCli(["call", url, "numbers.double", '{"n":21}'], { env });
      expect(refused.code).to.equal(6);
      expect(await plain.printed(/"event":"scopes.unknown".*?"detail":"([^"]+)"/)).to.match(
        /, and realm_access\.roles does; name it: auth\.scopesClaim, jotwire serve --scopes-claim$/,
      );
    }));

  it("serves no console, unless --console asks for it", () =>
    withFolder(async (folder) => {
      for (const [args, status] of [
        [[], 404],
        [["--console"], 200],
      ] as const) {
        await using cli = await serveWithKeys(folder, args);
        const url = await cli.printed(/"url":"([^"]+)"/);
        expect((await fetch(new URL("/console", url.replace("ws", "http")))).status).to.equal(
          status,
        );
      }
    }));

  it("serves logins with --embedded, for users that were added beside it", () =>
    withFolder(async (folder) => {
      await using cli = new RunningCli([
        "serve",
        smallApp,
        "--port",
        "0",
        "--embedded",
        "--state",
        folder,
      ]);
      const base = await cli.printed(/"issuer":"([^"]+)"/);
      expect(cli.stderr).to.include("no users yet");
      await runCli(["user", "add", "eve", "--state", folder], { input: "a good password" });
      expect((await logIn(base, "eve", "a good password")).status).to.equal(200);
    }));

  it("wants to know whose tokens count: exit code 2", async () => {
    for (const args of [
      [],
      ["--issuer", "https://id.test"],
      ["--audience", "test"],
      ["--embedded", "--jwks", "https://id.test/keys"],
    ]) {
      expect(
        (await runCli(["serve", smallApp, "--port", "0", ...args])).code,
        args.join(" "),
      ).to.equal(2);
    }
    const { code, stderr } = await runCli([
      "serve",
      smallApp,
      "--port",
      "0",
      "--embedded",
      "--host",
      "0.0.0.0",
    ]);
    expect(code).to.equal(2);
    expect(stderr).to.include("--issuer https://api.example.com");
  });

  it("wants a URL for the issuer whose keys it has to find: exit code 2", async () => {
    for (const issuer of ["id.example.com", "localhost:8080"]) {
      const { code, stderr } = await runCli([
        "serve",
        "none.mjs",
        "--audience",
        "test",
        "--issuer",
        issuer,
      ]);
      expect(code, issuer).to.equal(2);
      expect(stderr).to.include("--issuer must be a URL such as https://id.example.com");
    }
  });

  it("refuses what is unsafe before it looks at the module", async () => {
    const args = [
      "serve",
      "none.mjs",
      "--port",
      "0",
      "--issuer",
      "https://id.test",
      "--audience",
      "test",
    ];
    expect((await runCli([...args, "--host", "0.0.0.0", "--origin", "none"])).stderr).to.include(
      "refusing to start",
    );
    expect((await runCli(args)).stderr).to.include("no module at");
  });

  it("refuses an address that others can reach while anything is unsafe, and says which: exit code 3", () =>
    withFolder(async (folder) => {
      const safe = ["--host", "0.0.0.0", "--allow-insecure", "--origin", "none"];
      {
        await using cli = await serveWithKeys(folder, safe);
        expect(await cli.printed(/"url":"([^"]+)"/)).to.match(/^ws:\/\/localhost:\d+\/rpc$/);
      }
      const hazards = [
        [["--host", "0.0.0.0", "--origin", "none"], {}, "unencrypted on 0.0.0.0"],
        [["--host", "0.0.0.0", "--allow-insecure"], {}, "no origin may connect"],
        [["--trust-proxy", "loopback"], {}, "no origin may connect"],
        [safe, { NODE_ENV: "development" }, 'NODE_ENV is "development"'],
      ] as const;
      for (const [args, env, message] of hazards) {
        const { code, stderr } = await runCli(
          ["serve", smallApp, "--port", "0", ...foreign, ...args],
          { env },
        );
        expect(code, message).to.equal(3);
        expect(stderr)
          .to.match(/^jotwire: refusing to start: [^\n]+\n$/)
          .and.include(message);
      }
    }));

  it("refuses the user of dev, whose password was on a screen, until it has another", () =>
    withFolder(async (folder) => {
      await (await startDev(folder))[Symbol.asyncDispose]();
      const args = [
        "serve",
        smallApp,
        "--port",
        "0",
        "--embedded",
        "--issuer",
        "https://api.test",
        "--state",
        folder,
      ];
      const exposed = [...args, "--trust-proxy", "loopback", "--origin", "none"];
      const refused = await runCli(exposed);
      expect(refused.code).to.equal(3);
      expect(refused.stderr).to.include(
        'the user "ada" still has the password that jotwire dev has shown',
      );
      await runCli(["user", "passwd", "ada", "--state", folder], { input: "another password" });
      await using cli = new RunningCli(exposed);
      await cli.printed(/"url"/);
    }));

  it("refuses an embedded issuer whose passwords would go to an http URL", () =>
    withFolder(async (folder) => {
      const args = [
        "serve",
        smallApp,
        "--port",
        "0",
        "--embedded",
        "--state",
        folder,
        "--trust-proxy",
        "loopback",
        "--origin",
        "none",
      ];
      const { code, stderr } = await runCli([...args, "--issuer", "http://api.test"]);
      expect(code).to.equal(3);
      expect(stderr).to.include("http URL");
    }));

  it("wants certificate and key together, readable, and the key for its owner alone", () =>
    withFolder(async (folder) => {
      const key = join(folder, "key.pem");
      await writeFile(key, "no key");
      await chmod(key, 0o644);
      const args = ["serve", smallApp, "--port", "0", ...foreign];
      expect((await runCli([...args, "--tls-cert", key])).code).to.equal(2);
      expect(
        (await runCli([...args, "--tls-cert", join(folder, "none"), "--tls-key", key])).code,
      ).to.equal(3);
      const open = await runCli([...args, "--tls-cert", key, "--tls-key", key]);
      expect(open.code).to.equal(3);
      expect(open.stderr).to.include("every user of this machine can read the key");
    }));

  it("wants a certificate and a key that are such, and belong together", async function () {
    requires(this, "openssl", () => runs("openssl", "version"));
    await withFolder(async (folder) => {
      const [cert, key, other] = ["cert.pem", "key.pem", "other.pem"].map((name) =>
        join(folder, name),
      ) as [string, string, string];
      const subject = ["-subj", "/CN=localhost", "-days", "2"];
      execFileSync(
        "openssl",
        ["req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", key, "-out", cert, ...subject],
        {
          stdio: "ignore",
        },
      );
      execFileSync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", other], {
        stdio: "ignore",
      });
      for (const path of [cert, key, other]) await chmod(path, 0o600);
      const args = ["serve", smallApp, "--port", "0", ...foreign];
      for (const [first, second, says] of [
        [key, key, "--tls-cert is not a certificate"],
        [cert, cert, "--tls-key is not a private key"],
        [cert, other, "keys of --tls-key and --tls-cert differ"],
      ] as const) {
        const { code, stderr } = await runCli([...args, "--tls-cert", first, "--tls-key", second]);
        expect(code, stderr).to.equal(3);
        expect(stderr).to.include(says);
      }
      await using cli = new RunningCli([...args, "--tls-cert", cert, "--tls-key", key]);
      await cli.printed(/"url":"wss:/);
    });
  });

  it("takes limits, by flag and by environment, and refuses what is none", async () => {
    const args = ["serve", smallApp, "--port", "0", ...foreign];
    await using cli = new RunningCli([
      ...args,
      "--limits",
      "authDeadline=60000",
      "--limits",
      "unauthenticatedConnectionsPerAddress=1",
    ]);
    const url = await cli.printed(/"url":"([^"]+)"/);
    await RawClient.connect(url);
    expect(await RawClient.connect(url).catch((error: Error) => error.message)).to.include("429");
    for (const [given, code, says] of [
      [
        "unauthenticatedConectionsPerAddress=1",
        3,
        'limits: there is no "unauthenticatedConectionsPerAddress"; did you mean "unauthenticatedConnectionsPerAddress"?',
      ],
      ["unauthenticatedConnectionsPerAddress=many", 2, "--limits must be name=value"],
    ] as const) {
      const refused = await runCli(args, { env: { JOTWIRE_LIMITS: `batchLength=1,${given}` } });
      expect(refused.code).to.equal(code);
      expect(refused.stderr).to.include(says);
    }
  });

  it("tells of variables that set nothing, and `check` does, too", async () => {
    const env = { JOTWIRE_REDIS_PREFX: "orders", JOTWIRE_CONFIG: "", JOTWIRE_METRICS_PORT: "0" };
    await using cli = new RunningCli(["serve", smallApp, "--port", "0", ...foreign], { env });
    await cli.printed(/"event":"listen"/);
    expect(cli.stderr).to.include('"event":"settings.unknown","variables":["JOTWIRE_REDIS_PREFX"]');
    const { stdout } = await runCli(["check", smallApp, ...foreign], { env });
    expect(stdout).to.match(
      /^warning +settings +no option reads the variable JOTWIRE_REDIS_PREFX/m,
    );
    expect(stdout).to.not.include("JOTWIRE_METRICS_PORT");
  });

  it("names the port of the metrics, not its own, when it is that one that is taken: exit code 4", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const args = ["serve", smallApp, "--port", "0", ...foreign, "--metrics"];
    const { code, stderr } = await runCli([...args, "--metrics-port", String(port)]);
    expect(code).to.equal(4);
    expect(stderr).to.include(`port ${port} is taken`).and.include("--metrics-port");
    const elsewhere = await runCli([...args, "--metrics-host", "192.0.2.1"]);
    expect(elsewhere.stderr)
      .to.include("192.0.2.1 is not an address of this machine")
      .and.include("--metrics-host");
    taken.close();
    await once(taken, "close");
  });

  it("tells a state folder that can't be made", () =>
    withFolder(async (folder) => {
      const file = join(folder, "file");
      await writeFile(file, "");
      const { code, stderr } = await runCli([
        "serve",
        smallApp,
        "--port",
        "0",
        "--embedded",
        "--state",
        join(file, "state"),
      ]);
      expect(code).to.equal(3);
      expect(stderr).to.include("cannot be");
    }));
});

describe("npm start", function () {
  this.timeout(60_000); // many processes

  it("serves the order desk, takes options, and drains at SIGTERM", async function () {
    this.timeout(90_000); // it builds first
    await withFolder(async (folder) => {
      const command = ["npm", "start", "--", "--port", "0", "--state", folder];
      await using npm = new RunningCli([], { command, cwd: projectFolder });
      const url = await npm.printed(/WebSocket +(\S+)/);
      const { stdout } = await runCli(["call", url, "stock.list"]);
      expect(JSON.parse(stdout)).to.be.an("array").that.is.not.empty;
      npm.signal("SIGTERM");
      expect(await npm.exited).to.equal(0);
      expect(npm.stderr).to.include("shutting down");
      expect((await runCli(["call", url, "stock.list"])).code).to.equal(4);
    });
  });
});
