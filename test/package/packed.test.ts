import { execFile } from "node:child_process";
import { mkdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { withFolder } from "../helpers/temporary-folder.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const packageFolder = (name: string) =>
  dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

/** Packs what was built, without building it again. */
async function pack(folder: string): Promise<Packed> {
  const { stdout } = await run(
    "npm",
    ["pack", "--json", "--ignore-scripts", "--pack-destination", folder],
    { cwd: root },
  );
  const answer = JSON.parse(stdout) as readonly Packed[] | Readonly<Record<string, Packed>>;
  const [packed] = Object.values(answer) as readonly Packed[];
  if (packed === undefined) throw new Error(`npm pack said ${stdout}`);
  return packed;
}

/**
 * What `npm install` makes of it in an empty folder, and the packages named besides; nothing else
 * is found from there.
 */
async function install(folder: string, ...others: readonly string[]): Promise<void> {
  const { filename } = await pack(folder);
  const modules = join(folder, "node_modules");
  await mkdir(modules);
  await run("tar", ["-xzf", join(folder, filename), "-C", modules]);
  await rename(join(modules, "package"), join(modules, "jotwire"));
  const { dependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    dependencies: object;
  };
  for (const name of [...Object.keys(dependencies), ...others]) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(root, "node_modules", name), join(modules, name));
  }
}

const typed = `
import { createClient } from "jotwire/client";
import { createIssuer, memoryStore } from "jotwire/issuer";
import { createRpc, createServer, type MetricsOptions, type SessionInfo } from "jotwire";

const rpc = createRpc();
const app = rpc.router({ sum: rpc.method({ handler: () => 42 }) });
export const issuer = await createIssuer({ issuer: "http://localhost:8080", audience: "sums", store: memoryStore() });
const metrics: MetricsOptions = { port: 0 };
const server = createServer(app, { auth: issuer, metrics });
export const { sessions }: { readonly sessions: readonly SessionInfo[] } = await server.sessions();
export const sum: number = await createClient<typeof app>({ url: "ws://localhost:8080/rpc" }).api.sum();
`;

/** As in the README, and nothing that would hide what is wrong with the declarations. */
const compilerOptions = {
  module: "NodeNext",
  target: "ES2022",
  strict: true,
  types: ["node"],
  noEmit: true,
  skipLibCheck: false,
};

const program = `
import { createClient } from "jotwire/client";
import { createIssuer, memoryStore } from "jotwire/issuer";
import { createRpc, createServer } from "jotwire";

const issuer = await createIssuer({ issuer: "http://localhost:8080", audience: "sums", store: memoryStore() });
await issuer.users.add("ada", "correct horse battery staple", {});
const rpc = createRpc();
const app = rpc.router({ sum: rpc.method({ handler: ({ params }) => params[0] + params[1] }) });
const server = createServer(app, { auth: issuer });
const { url } = await server.listen(0);
const credentials = JSON.stringify({ username: "ada", password: "correct horse battery staple" });
const login = new URL("/login", url.replace("ws", "http"));
const answer = await fetch(login, { method: "POST", headers: { "content-type": "application/json" }, body: credentials });
const { access_token } = await answer.json();
const client = createClient({ url, token: () => access_token });
process.stdout.write("sum " + (await client.call("sum", [40, 2])) + "\\n");
await client.close();
await server.close();
await issuer.close();
`;

describe("The packed package", function () {
  this.timeout(60_000);

  it("has the built code, its types and the documents, and no sources, tests or maps to what is not there", async () => {
    await withFolder(async (folder) => {
      const paths = (await pack(folder)).files.map(({ path }) => path);
      expect(paths).to.include.members([
        "package.json",
        "LICENSE",
        "README.md",
        "PROTOCOL.md",
        "dist/src/index.js",
        "dist/src/index.d.ts",
      ]);
      expect(paths).to.include.members([
        "dist/client/index.js",
        "dist/client/node.js",
        "dist/src/issuer/index.js",
      ]);
      const strays = paths.filter(
        (path) =>
          path.includes("/") &&
          !/^dist\/(src|client)\/.+\.(js|d\.ts|js\.map|html)$/.test(path) &&
          !/^docs\/(\w+\/){0,2}[\w-]+\.md$/.test(path),
      );
      expect(strays).to.deep.equal([]);
      expect(
        paths.filter((path) => /(^|\/)(test|examples|bench)\/|\.env|\.jotwire/.test(path)),
      ).to.deep.equal([]);
    });
  });

  it("has llms.txt and SKILL.md, made from the documents as they are, with links to files of the package", async () => {
    const { agentFiles } = (await import(
      new URL("../../scripts/build-agent-files.mjs", import.meta.url).href
    )) as { readonly agentFiles: () => Readonly<Record<string, string>> };
    await withFolder(async (folder) => {
      const { filename, files } = await pack(folder);
      await run("tar", ["-xzf", join(folder, filename), "-C", folder]);
      const paths = files.map(({ path }) => path);
      const made = Object.entries(agentFiles());
      expect(made.map(([name]) => name)).to.deep.equal(["llms.txt", "SKILL.md"]);
      for (const [name, text] of made) {
        const packed = await readFile(join(folder, "package", name), "utf8");
        expect(packed, `${name}: npm run build makes it anew`).to.equal(text);
        const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, link]) => link);
        expect(links, name).to.have.lengthOf.at.least(20);
        expect(paths, name).to.include.members(links);
      }
    });
  });

  it("has a SKILL.md and a llms.txt of the form that agents expect, with what they get wrong most", async () => {
    const read = (name: string) => readFile(join(root, name), "utf8");
    const [skill, index] = await Promise.all([read("SKILL.md"), read("llms.txt")]);
    expect(skill).to.match(
      /^---\nname: jotwire\ndescription: "[^"\n]{50,1000}"\n---\n\n# jotwire\n/,
    );
    expect(index).to.match(/^# jotwire\n\n> .{50,}\n/);
    expect(index.match(/^- \[[^\]]+\]\([^)]+\): \S.{20,}\.$/gm)).to.have.lengthOf.at.least(20);
    for (const word of [
      "createServer(app, { auth: issuer })",
      "createClient<App>(",
      "`authenticate`",
      "`refresh`",
      "`executed: false`",
      "No token in a URL",
      "Handle gaps",
      "Decide by codes",
    ])
      expect(skill, word).to.include(word);
    expect(skill.length, "short").to.be.below(12_000);
  });

  it("passes publint", async () => {
    const { publint } = await import("publint");
    const { messages } = await publint({ pkgDir: root, strict: true });
    expect(messages).to.deep.equal([]);
  });

  it("resolves for TypeScript in every way that an ES module is imported (attw)", async () => {
    await withFolder(async (folder) => {
      const { filename } = await pack(folder);
      const attw = join(packageFolder("@arethetypeswrong/cli"), "dist", "index.js");
      const { stdout } = await run(process.execPath, [
        attw,
        join(folder, filename),
        "--profile",
        "esm-only",
        "--no-emoji",
        "--no-color",
      ]);
      for (const door of ["jotwire", "jotwire/client", "jotwire/issuer", "jotwire/redis"]) {
        expect(stdout).to.match(new RegExp(`"${door}" +│ OK \\(ESM\\) +│ OK`));
      }
    });
  });

  it("works where only it and its dependencies are installed: a client calls a server", async () => {
    await withFolder(async (folder) => {
      await install(folder);
      await writeFile(join(folder, "main.mjs"), program);
      const { stdout } = await run(
        process.execPath,
        ["--unhandled-rejections=strict", "main.mjs"],
        { cwd: folder, timeout: 20_000 },
      );
      expect(stdout).to.equal("sum 42\n");
    });
  });

  it("has declarations that compile where only it, its dependencies and Node's types are installed, without skipLibCheck", async () => {
    await withFolder(async (folder) => {
      await install(folder, "@types/node");
      await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
      await writeFile(
        join(folder, "tsconfig.json"),
        JSON.stringify({ compilerOptions, files: ["main.ts"] }),
      );
      const compile = async (source: string) => {
        await writeFile(join(folder, "main.ts"), source);
        return run(process.execPath, [tsc, "-p", folder]).then(
          () => "",
          (error: { readonly stdout: string }) => error.stdout,
        );
      };
      expect(await compile(typed)).to.equal("");
      expect(await compile(typed.replace("sum: number", "sum: string"))).to.match(
        /^\S*main\.ts\(\d+,\d+\): error TS2322: /,
      );
    });
  });
});
