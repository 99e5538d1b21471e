import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { documents, snippets } from "../helpers/documents.js";
import { stacks } from "../helpers/package/runtimes.js";
import { requires } from "../helpers/requirement.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = `${root}test/docs/.snippets`; // inside the package, so that "jotwire" means this one

const inNext = "docs/guides/frameworks/next.ts";

const compilerOptions = {
  target: "ES2023",
  lib: ["ES2023", "ESNext.Disposable", "DOM"],
  jsx: "react-jsx",
  module: "NodeNext",
  moduleResolution: "NodeNext",
  types: ["node"],
  strict: true,
  noEmit: true,
  allowImportingTsExtensions: true,
  skipLibCheck: true,
};

describe("the TypeScript in the documents", () => {
  before(async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(
      `${folder}/tsconfig.json`,
      JSON.stringify({ compilerOptions, include: ["**/*.ts", "**/*.tsx"], exclude: [inNext] }),
    );
    for (const { name, code } of snippets) {
      await mkdir(dirname(`${folder}/${name}`), { recursive: true });
      await writeFile(`${folder}/${name}`, code);
    }
  });

  after(() => rm(folder, { recursive: true, force: true }));

  it("is there, each file of a page under a name of its own", () => {
    const names = snippets.map(({ name }) => name);
    expect(names).to.include.members([
      "README/server.ts",
      "README/client.ts",
      "docs/guides/react/price.tsx",
      "docs/guides/testing/create.test.ts",
    ]);
    expect(new Set(names).size).to.equal(names.length);
    const fences = documents.flatMap(({ text }) => [...text.matchAll(/^ *```tsx?\b/gm)]);
    expect(snippets.length, "each is found, indented ones too").to.equal(fences.length);
  });

  it("is introduced by the name of its file, which a rendered page does not show", () => {
    const nameless = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/^```tsx? (\S+)$/gm)]
        .filter(({ index, 1: name }) => !text.slice(0, index).includes(`\`${name}\``))
        .map(([, name]) => `${path}: ${name}`),
    );
    expect(nameless).to.deep.equal([]);
  });

  it("imports its neighbors by the names that they have, which Node, tsx and tsc read", () => {
    const relative = snippets.flatMap(({ name, code }) =>
      [...code.matchAll(/from "(\.[^"]+)"/g)].map(([, path = ""]) => ({ name, path })),
    );
    expect(relative).to.deep.include({ name: "docs/getting-started/server.ts", path: "./app.ts" });
    expect(relative.filter(({ path }) => !/\.tsx?$/.test(path))).to.deep.equal([]);
  });

  const compile = (project: string) =>
    run("npx", ["tsc", "-p", project], { cwd: root }).catch((error: { stdout: string }) =>
      expect.fail(error.stdout),
    );

  it("compiles", async function () {
    this.timeout(120_000);
    await compile(folder);
  });

  it("compiles in a project of Next, whose types are for bundlers", async function () {
    this.timeout(120_000);
    requires(this, "Next", () => existsSync(join(stacks, "next")));
    await mkdir(`${folder}/node_modules`);
    await symlink(join(stacks, "next"), `${folder}/node_modules/next`);
    const bundler = { ...compilerOptions, module: "esnext", moduleResolution: "bundler" };
    const project = `${folder}/tsconfig-next.json`;
    await writeFile(project, JSON.stringify({ compilerOptions: bundler, files: [inNext] }));
    await compile(project);
  });

  it("passes, where it is a test: those of docs/guides/testing.md", async function () {
    this.timeout(60_000);
    const files = snippets.flatMap(({ name }) =>
      /^docs\/guides\/testing\/.*\.test\.ts$/.test(name) ? [`${folder}/${name}`] : [],
    );
    expect(files).to.have.length(4);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { stdout } = await run(process.execPath, ["--import", "tsx", "--test", ...files], {
      cwd: root,
      env,
    }).catch((error: { stdout: string }) => expect.fail(error.stdout));
    expect(stdout).to.match(/\bpass 5\n/);
  });

  for (const [page, printed] of [
    ["README", /^o1 ada pong\n$/],
    ["docs/getting-started", /^created\no1 ada\nonly 10 left\ncreated\n\S+Z o1 pong\n$/],
  ] as const) {
    it(`runs: the server of ${page}.md starts, and its client prints what it should`, async function () {
      this.timeout(60_000);
      const server = spawn(process.execPath, ["--import", "tsx", `${folder}/${page}/server.ts`], {
        cwd: root,
        env: { ...process.env, PORT: "0" },
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = new Promise<number | null>((resolve) => server.once("exit", resolve));
      const line = await new Promise<string>((resolve) =>
        server.stdout.once("data", (data) => resolve(String(data))),
      );
      const port = /:(\d+)\/rpc/.exec(line)?.[1];
      const client = ["--import", "tsx", `${folder}/${page}/client.ts`];
      const { stdout } = await run(process.execPath, client, {
        cwd: root,
        env: { ...process.env, BASE: `http://127.0.0.1:${port}` },
      });
      server.kill("SIGTERM");
      expect(await exited).to.equal(0);
      expect(stdout).to.match(printed);
    });
  }
});
