/** The package on every Node that it supports, side by side, and the SDK on what else runs it. */
import { execFile, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { build } from "esbuild";
import { RunningCli, runCli, smallApp } from "../helpers/cli/command-line.js";
import { link, root } from "../helpers/package/project.js";
import { nodeVersions, program } from "../helpers/package/runtimes.js";
import { withFolder } from "../helpers/temporary-folder.js";

const run = promisify(execFile);

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const { expected } = (await import(new URL("../fixtures/smoke-sdk.mjs", import.meta.url).href)) as {
  readonly expected: object;
};
const cli = join(root, "dist/src/cli/main.js");

/** Starts the server of the fixtures on a Node, and stops it in order. */
async function withServer(node: string, use: (base: string) => Promise<void>): Promise<void> {
  const child = spawn(node, ["--unhandled-rejections=strict", fixture("smoke-server.mjs")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const [line] = (await Promise.race([
    exited.then((code) => Promise.reject(new Error(`the server ended with ${code}`))),
    new Promise((resolve) => child.stdout.once("data", (data) => resolve([String(data)]))),
  ])) as [string];
  try {
    await use(line.trim());
  } finally {
    child.kill("SIGTERM");
    expect(await exited).to.equal(0);
  }
}

/** A program that uses the SDK of `jotwire/client`, and prints what it has seen. */
const user = `
import * as sdk from "jotwire/client";
import { exercise } from "./smoke-sdk.mjs";
console.log(JSON.stringify(await exercise(sdk, process.env.BASE)));
`;

/** A folder as a user has it, with that program. */
async function withUser(use: (folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    await link(folder, "jotwire");
    await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    await run("cp", [fixture("smoke-sdk.mjs"), folder]);
    await writeFile(join(folder, "user.mjs"), user);
    await use(folder);
  });
}

/** Runs the program, and returns what it printed. Throws if it complains about anything. */
async function seenBy(
  file: string,
  args: readonly string[],
  folder: string,
  base: string,
): Promise<object> {
  const { stdout, stderr } = await run(file, [...args], {
    cwd: folder,
    env: { ...process.env, BASE: base, NO_COLOR: "1" },
    timeout: 30_000,
  });
  expect(stderr).to.equal("");
  return JSON.parse(stdout) as object;
}

describe("The package on the versions of Node that it supports", function () {
  this.timeout(60_000);

  for (const version of nodeVersions) {
    it(`serves, logs in, calls, reads a topic and renews a session on Node ${version}`, async function () {
      const node = program(this, `Node ${version}`);
      expect((await run(node, ["--version"])).stdout).to.match(new RegExp(`^v${version}\\.`));
      await withServer(node, (base) =>
        withUser(async (folder) => {
          expect(await seenBy(node, ["user.mjs"], folder, base)).to.deep.equal(expected);
          expect((await fetch(`${base}/console`)).status).to.equal(200);
        }),
      );
    });

    it(`has a command line that serves and calls on Node ${version}`, async function () {
      const command = [program(this, `Node ${version}`), cli];
      const { stdout } = await runCli(["--version"], { command });
      expect(stdout).to.match(/^\d+\.\d+\.\d+\n$/);
      await withFolder(async (state) => {
        const args = ["serve", smallApp, "--port", "0", "--embedded", "--state", state];
        await using serving = new RunningCli(args, { command });
        const url = await serving.printed(/"url":"(ws:[^"]+)"/);
        const { code, stdout: answer } = await runCli(["call", url, "public.hello"], { command });
        expect([code, answer.trim()]).to.deep.equal([0, '"hello"']);
      });
    });
  }
});

describe("The SDK on other runtimes", function () {
  this.timeout(60_000);

  const served = (use: (folder: string, base: string) => Promise<void>) =>
    withServer(process.execPath, (base) => withUser((folder) => use(folder, base)));

  it("connects, calls, subscribes and renews its session in Bun", async function () {
    const bun = program(this, "Bun");
    await served(async (folder, base) => {
      expect(await seenBy(bun, ["user.mjs"], folder, base)).to.deep.equal(expected);
    });
  });

  it("does so in Deno, with permission for the network and the environment only", async function () {
    const deno = program(this, "Deno");
    await served(async (folder, base) => {
      const flags = ["run", "--quiet", "--no-prompt", "--node-modules-dir=manual"];
      const allowed = [`--allow-net=${new URL(base).host}`, "--allow-env"];
      const seen = await seenBy(deno, [...flags, ...allowed, "user.mjs"], folder, base);
      expect(seen).to.deep.equal(expected);
    });
  });

  it("does so in workerd, as wrangler bundles it", async function () {
    const workerd = program(this, "workerd");
    await served(async (folder, base) => {
      await writeFile(
        join(folder, "worker.mjs"),
        `import * as sdk from "jotwire/client";
         import { exercise, expected } from "./smoke-sdk.mjs";
         export default {
           async test(_controller, { BASE }) {
             const seen = JSON.stringify(await exercise(sdk, BASE));
             if (seen !== JSON.stringify(expected)) throw new Error(seen);
             console.log("seen by workerd");
           },
         };`,
      );
      await mkdir(join(folder, "bundle"));
      await build({
        absWorkingDir: folder,
        entryPoints: ["worker.mjs"],
        outfile: "bundle/worker.js",
        bundle: true,
        format: "esm",
        conditions: ["workerd", "worker", "browser"],
        logLevel: "silent",
      });
      await writeFile(
        join(folder, "bundle/config.capnp"),
        `using Workerd = import "/workerd/workerd.capnp";
         const config :Workerd.Config = (services = [
           (name = "main", worker = .main),
           (name = "internet", network = (allow = ["private"])),
         ]);
         const main :Workerd.Worker = (
           modules = [(name = "worker", esModule = embed "worker.js")],
           bindings = [(name = "BASE", text = "${base}")],
           compatibilityDate = "2025-06-01",
         );`,
      );
      const { stdout, stderr } = await run(workerd, ["test", "bundle/config.capnp"], {
        cwd: folder,
        timeout: 30_000,
      });
      expect(`${stdout}${stderr}`).to.include("seen by workerd");
    });
  });
});
