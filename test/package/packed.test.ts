import { execFile } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, posix } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { installPacked, pack, root } from "../helpers/package/project.js";
import { requires, runs } from "../helpers/requirement.js";
import { withFolder } from "../helpers/temporary-folder.js";

const run = promisify(execFile);
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const packageFolder = (name: string) =>
  dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));

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

/** Files that a page links to or shows, without anchors and other hosts. */
function linksIn(text: string): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, "");
  return [
    ...prose.matchAll(/\]\(([^)\s]+)\)/g),
    ...prose.matchAll(/\b(?:src|srcset|href)="([^"]+)"/g),
  ]
    .map(([, link = ""]) => link.replace(/#.*$/, ""))
    .filter((link) => link !== "" && !/^[a-z]+:/.test(link));
}

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
        "dist/client/browser.js",
        "dist/client/index.js",
        "dist/client/node.js",
        "dist/src/issuer/index.js",
      ]);
      const strays = paths.filter(
        (path) =>
          path.includes("/") &&
          !/^dist\/(src|client)\/.+\.(js|d\.ts|js\.map|html)$/.test(path) &&
          !/^docs\/(\w+\/){0,2}[\w-]+\.md$/.test(path) &&
          !/^docs\/(operations\/[\w-]+\.(json|yml)|screenshots\/console-(expired|sessions)-\w+\.png)$/.test(
            path,
          ) &&
          !/^examples\/(board|comparison|deploy|order-desk|proxies)\//.test(path) &&
          !/^bench\/(RESULTS\.md|cost-per-call\.svg)$/.test(path),
      );
      expect(strays).to.deep.equal([]);
      expect(
        paths.filter((path) =>
          /(^|\/)(test|node_modules)\/|\/board\/(dist|state)\/|\.db|\.env|\.jotwire|\.jsonl/.test(
            path,
          ),
        ),
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

  it("has source maps that hold their sources, and no name of a map that is not there", async () => {
    await withFolder(async (folder) => {
      const { filename, files } = await pack(folder);
      await run("tar", ["-xzf", join(folder, filename), "-C", folder]);
      const paths = files.map(({ path }) => path);
      const read = (path: string) => readFile(join(folder, "package", path), "utf8");
      const maps = paths.filter((path) => path.endsWith(".map"));
      expect(maps).to.include("dist/src/index.js.map");
      for (const path of maps) {
        const { sources, sourcesContent } = JSON.parse(await read(path)) as {
          readonly sources: readonly string[];
          readonly sourcesContent?: readonly unknown[];
        };
        expect(sources, path).to.not.be.empty;
        expect(
          sourcesContent?.map((text) => typeof text),
          path,
        ).to.deep.equal(sources.map(() => "string"));
      }
      for (const path of paths.filter((name) => /\.(js|ts)$/.test(name))) {
        const [, map] = /^\/\/# sourceMappingURL=(.+)$/m.exec(await read(path)) ?? [];
        if (map !== undefined) expect(paths).to.include(posix.join(posix.dirname(path), map));
      }
    });
  });

  it("has documents whose links and pictures lead to files of the package", async () => {
    await withFolder(async (folder) => {
      const { filename, files } = await pack(folder);
      await run("tar", ["-xzf", join(folder, filename), "-C", folder]);
      const paths = files.map(({ path }) => path);
      const links: string[] = [];
      const dead: string[] = [];
      for (const path of paths.filter((name) => /\.(md|txt)$/.test(name))) {
        const text = await readFile(join(folder, "package", path), "utf8");
        for (const link of linksIn(text)) {
          const target = posix.join(posix.dirname(path), link);
          (paths.includes(target) ? links : dead).push(`${path}: ${link}`);
        }
      }
      expect(dead).to.deep.equal([]);
      expect(links).to.include.members([
        "README.md: docs/screenshots/console-expired-light.png",
        "docs/operations/deployment.md: ../../examples/proxies/nginx.conf",
      ]);
      expect(linksIn("[a](b.md#c) [d](https://e.example) [f](#g)\n```\n[h](i)\n```")).to.deep.equal(
        ["b.md"],
      );
    });
  });

  it("is installed by npm in an empty folder without a warning or a script, and then runs", async function () {
    this.timeout(180_000);
    requires(this, "npm's registry", () => runs("npm", "view", "ws@8.23.0", "version"));
    await withFolder(async (folder) => {
      const { filename } = await pack(folder);
      const env = Object.fromEntries(
        Object.entries(process.env).filter(([name]) => !/^npm_(?!config_registry$)/i.test(name)),
      );
      const npm = (...args: readonly string[]) => run("npm", args, { cwd: folder, env });
      await npm("init", "-y");
      const flags = ["--no-audit", "--no-fund", "--foreground-scripts"];
      const { stdout, stderr } = await npm("install", ...flags, `./${filename}`);
      expect(stderr).to.equal("");
      expect(stdout.trim()).to.match(/^added \d+ packages in \S+$/);
      expect(await readdir(join(folder, "node_modules"))).to.include("jotwire");
      const { stdout: version } = await run(join(folder, "node_modules/.bin/jotwire"), [
        "--version",
      ]);
      expect(version)
        .to.equal(`${version.trim()}\n`)
        .and.to.match(/^\d+\.\d+\.\d+\n$/);
      await writeFile(join(folder, "main.mjs"), program);
      const { stdout: said } = await run(process.execPath, ["main.mjs"], { cwd: folder });
      expect(said).to.equal("sum 42\n");
    });
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
      for (const door of [
        "jotwire",
        "jotwire/client",
        "jotwire/issuer",
        "jotwire/redis",
        "jotwire/testing",
      ]) {
        expect(stdout).to.match(new RegExp(`"${door}" +│ OK \\(ESM\\) +│ OK`));
      }
    });
  });

  it("works where only it and its dependencies are installed: a client calls a server", async () => {
    await withFolder(async (folder) => {
      await installPacked(folder);
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
      await installPacked(folder, "@types/node");
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
