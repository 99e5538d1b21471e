/**
 * The documents' guides and the example as a new user starts them: in an empty folder, with the
 * packed package, in every way in which TypeScript is run.
 */
import { execFile, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { RunningCli } from "../helpers/cli/command-line.js";
import { documents, snippets } from "../helpers/documents.js";
import { installPacked, root, tsx } from "../helpers/package/project.js";
import { nodeVersions, program } from "../helpers/package/runtimes.js";

const run = promisify(execFile);
const { resolve } = createRequire(import.meta.url);

const guides = {
  README: /^o1 ada pong\n$/,
  "docs/getting-started": /^created\no1 ada\nonly 10 left\ncreated\n\S+Z o1 pong\n$/,
} as const;
type Guide = keyof typeof guides;
const pages = Object.keys(guides) as Guide[];

/** The settings of `tsc` that getting-started gives. */
const [, settings = ""] =
  /^```json\n(\{\n {2}"compilerOptions"[\s\S]*?)^```$/m.exec(
    documents.find(({ path }) => path === "docs/getting-started.md")?.text ?? "",
  ) ?? [];

/** The versions that stand for those between them, and the guides that each can compile. */
const compilers = {
  // without rewriteRelativeImportExtensions: for files that import only types of each other
  "5.6": { name: "typescript-5.6", guides: ["README"], isOld: true },
  "7": { name: "typescript", guides: pages, isOld: false },
} as const;

const tsc = (name: string) => join(dirname(resolve(`${name}/package.json`)), "bin", "tsc");

/** Starts a guide's server, runs its client beside it, and returns what that printed. */
async function follow(command: readonly string[], folder: string, extension: string) {
  const [node = "", ...flags] = command;
  const server = spawn(node, [...flags, `server${extension}`], {
    cwd: folder,
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<number | null>((resolve) => server.once("exit", resolve));
  const line = await Promise.race([
    new Promise<string>((resolve) => server.stdout.once("data", (data) => resolve(String(data)))),
    exited.then((code) => `ended with ${code}`),
  ]);
  const port = /:(\d+)\/rpc/.exec(line)?.[1];
  if (port === undefined) throw new Error(`the server of ${folder} said: ${line}`);
  const { stdout, stderr } = await run(node, [...flags, `client${extension}`], {
    cwd: folder,
    env: { ...process.env, BASE: `http://127.0.0.1:${port}` },
    timeout: 30_000,
  });
  server.kill("SIGTERM");
  expect(await exited).to.equal(0);
  expect(stderr, "no warning either").to.equal("");
  return stdout;
}

describe("The guides, with the packed package", function () {
  this.timeout(300_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "jotwire-guides-"));
    await installPacked(folder, "zod", "@types/node");
    for (const { name, code } of snippets) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), code);
    }
    await cp(join(root, "examples/order-desk"), join(folder, "order-desk"), { recursive: true });
  });

  after(() => rm(folder, { recursive: true, force: true }));

  for (const version of nodeVersions) {
    if (version !== "20")
      it(`run on Node ${version} as they are, which leaves the types out`, async function () {
        const node = program(this, `Node ${version}`);
        for (const page of pages)
          expect(await follow([node], join(folder, page), ".ts"), page).to.match(guides[page]);
      });

    it(`run on Node ${version} with tsx`, async function () {
      const command = [program(this, `Node ${version}`), "--import", tsx];
      for (const page of pages)
        expect(await follow(command, join(folder, page), ".ts"), page).to.match(guides[page]);
    });
  }

  for (const [version, { name, guides: compiled, isOld }] of Object.entries(compilers)) {
    it(`run on Node 20, 22 and 24 when TypeScript ${version} has compiled them`, async function () {
      const nodes = nodeVersions.map((node) => program(this, `Node ${node}`));
      for (const page of compiled) {
        const given = JSON.parse(settings) as { compilerOptions: Record<string, unknown> };
        expect(given.compilerOptions).to.have.property("rewriteRelativeImportExtensions", true);
        if (isOld) delete given.compilerOptions.rewriteRelativeImportExtensions;
        const project = join(folder, page, `tsconfig-${version}.json`);
        const outDir = `dist-${version}`;
        const compilerOptions = { ...given.compilerOptions, outDir };
        await writeFile(
          project,
          JSON.stringify({ compilerOptions, files: ["server.ts", "client.ts"] }),
        );
        await run(process.execPath, [tsc(name), "-p", project]).catch(({ stdout }) =>
          expect.fail(String(stdout)),
        );
        for (const node of nodes) {
          const printed = await follow([node], join(folder, page, outDir), ".js");
          expect(printed, `${page} on ${node}`).to.match(guides[page]);
        }
      }
    });
  }

  it("have no line that Node 22 and 24 cannot read without the types, in any document", async function () {
    const check = join(folder, "check.mjs");
    await writeFile(
      check,
      `import { readFile } from "node:fs/promises";
       import { stripTypeScriptTypes } from "node:module";
       import { SourceTextModule } from "node:vm";
       const wrong = [];
       for (const path of process.argv.slice(2)) {
         try {
           new SourceTextModule(stripTypeScriptTypes(await readFile(path, "utf8")));
         } catch (error) {
           wrong.push(path + ": " + error.message);
         }
       }
       console.log(JSON.stringify(wrong));`,
    );
    const using = "using.ts";
    await writeFile(join(folder, using), "await using it = await import('./app.ts');");
    const names = snippets.map(({ name }) => name).filter((name) => name.endsWith(".ts"));
    const flags = ["--experimental-vm-modules", "--no-warnings", check];
    for (const [version, isUnknown] of [
      ["22", true],
      ["24", false],
    ] as const) {
      const node = program(this, `Node ${version}`);
      const { stdout } = await run(node, [...flags, ...names, using], { cwd: folder });
      const wrong = JSON.parse(stdout) as string[];
      expect(wrong.map((line) => line.split(":")[0])).to.deep.equal(isUnknown ? [using] : []);
    }
  });

  for (const version of nodeVersions) {
    it(`have an order desk that runs on Node ${version}${version === "20" ? ", compiled" : " as it is"}`, async function () {
      const node = program(this, `Node ${version}`);
      const extension = version === "20" ? ".js" : ".ts";
      let place = join(folder, "order-desk");
      if (extension === ".js") {
        const project = join(place, "tsconfig.json");
        const given = JSON.parse(settings) as { compilerOptions: object };
        const outDir = join(folder, "order-desk-dist");
        const compilerOptions = { ...given.compilerOptions, outDir };
        const files = ["app.ts", "client.ts"];
        await writeFile(project, JSON.stringify({ compilerOptions, files }));
        await run(process.execPath, [tsc("typescript"), "-p", project]).catch(({ stdout }) =>
          expect.fail(String(stdout)),
        );
        place = outDir;
      }
      const cli = join(folder, "node_modules/jotwire/dist/src/cli/main.js");
      const state = join(folder, `state-${version}`);
      const args = ["dev", join(place, `app${extension}`), "--port", "0", "--state", state];
      await using server = new RunningCli(args, { command: [node, cli], cwd: folder });
      const base = await server.printed(/Login +(http:.*)\/login\n/);
      const password = await server.printed(/Password +(\S+) +\(shown this once\)/);
      const { stdout } = await run(node, [join(place, `client${extension}`), base, "ada"], {
        env: { ...process.env, JOTWIRE_PASSWORD: password },
        timeout: 30_000,
      });
      expect(stdout).to.include("ordered:").and.to.include("cancelled:");
    });
  }
});
