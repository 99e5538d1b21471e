import { execFile, spawn } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = `${root}test/docs/.snippets`; // inside the package, so that "jotwire" means this one

interface Snippet {
  readonly name: string;
  readonly code: string;
}

async function snippets(): Promise<Snippet[]> {
  const readme = await readFile(`${root}README.md`, "utf8");
  return [...readme.matchAll(/^```tsx? ?(\S*)\n([\s\S]*?)^```$/gm)].map(
    ([, name, code = ""], index) => ({
      name: name || `snippet-${index}.ts`,
      code,
    }),
  );
}

const compilerOptions = {
  target: "ES2023",
  lib: ["ES2023", "ESNext.Disposable", "DOM"],
  jsx: "react-jsx",
  module: "NodeNext",
  moduleResolution: "NodeNext",
  types: ["node"],
  strict: true,
  noEmit: true,
  skipLibCheck: true,
};

describe("the TypeScript in README.md", () => {
  let all: Snippet[];

  before(async () => {
    all = await snippets();
    await mkdir(folder, { recursive: true });
    await writeFile(
      `${folder}/tsconfig.json`,
      JSON.stringify({ compilerOptions, include: ["*.ts", "*.tsx"] }),
    );
    for (const { name, code } of all) await writeFile(`${folder}/${name}`, `${code}\nexport {};\n`);
  });

  after(() => rm(folder, { recursive: true, force: true }));

  it("is there", () => {
    expect(all.map(({ name }) => name)).to.include.members([
      "app.ts",
      "server.ts",
      "client.ts",
      "price.tsx",
    ]);
    expect(all.length).to.be.greaterThan(4);
  });

  it("compiles", async function () {
    this.timeout(60_000);
    await run("npx", ["tsc", "-p", folder], { cwd: root }).catch((error: { stdout: string }) =>
      expect.fail(error.stdout),
    );
  });

  it("runs: the server starts, and the client prints what it should", async function () {
    this.timeout(60_000);
    const server = spawn(process.execPath, ["--import", "tsx", `${folder}/server.ts`], {
      cwd: root,
      env: { ...process.env, PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = new Promise<number | null>((resolve) => server.once("exit", resolve));
    const line = await new Promise<string>((resolve) =>
      server.stdout.once("data", (data) => resolve(String(data))),
    );
    const port = /:(\d+)\/rpc/.exec(line)?.[1];
    const { stdout } = await run(process.execPath, ["--import", "tsx", `${folder}/client.ts`], {
      cwd: root,
      env: { ...process.env, BASE: `http://127.0.0.1:${port}` },
    });
    server.kill("SIGTERM");
    expect(await exited).to.equal(0);
    expect(stdout.split("\n").slice(0, 3)).to.deep.equal(["created", "o1 ada", "only 10 left"]);
    expect(stdout).to.match(/o1 pong/);
  });
});
