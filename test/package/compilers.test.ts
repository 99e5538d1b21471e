/** The packed package's declarations, read by the compilers that users have. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { snippets } from "../helpers/documents.js";
import { installPacked } from "../helpers/package/project.js";
import { withFolder } from "../helpers/temporary-folder.js";

const run = promisify(execFile);
const { resolve } = createRequire(import.meta.url);

const compilers = {
  "5.6": "typescript-5.6",
  "5.8": "typescript-5.8",
  "5.9": "typescript-5.9",
  "7.0": "typescript",
};

const flags = {
  target: "ES2023",
  lib: ["ES2023", "ESNext.Disposable", "DOM"],
  jsx: "react-jsx",
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
  allowImportingTsExtensions: true,
};
const resolutions = {
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
};

/** What the code of a document imports besides the package and its dependencies. */
const packages = [
  ...["zod", "react", "react-dom", "express", "fastify", "pino", "undici", "@redis/client"],
  ...["vue", "@tanstack/react-query"],
];
const types = ["node", "react", "react-dom", "express", "ws"];

/** Frameworks whose own declarations do not compile with every version, or for bundlers only. */
const choosy = /from "(hono|koa|next|@nestjs\/\w+)"/;

/** Imports everything, so that no declaration stays unread where libraries are checked. */
const everything = [
  "",
  "/client",
  "/react",
  "/vue",
  "/svelte",
  "/query",
  "/session",
  "/testing",
  "/issuer",
  "/redis",
]
  .map((door, index) => `export * as door${index} from "jotwire${door}";\n`)
  .join("");

/** Lines that must not compile, so that a compiler that reads nothing is noticed. */
const wrong = `
import { createClient } from "jotwire/client";
import type { App } from "./docs/getting-started/app.ts";
const client = createClient<App>({ url: "ws://localhost:8080/rpc" });
export const created: { id: string } = await client.call("orders.create", { sku: "A1" });
await client.call("orders.craete", { sku: "A1" });
client.on("order.updatd", () => {});
`;

/** The code of each document, in a folder of its own: `README/server.ts`. */
async function writeSnippets(folder: string): Promise<string[]> {
  const written = snippets.filter(({ code }) => !choosy.test(code));
  for (const { name, code } of written) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), code);
  }
  return written.map(({ name }) => name);
}

const programOf = (compiler: string) =>
  join(dirname(resolve(`${compiler}/package.json`)), "bin", "tsc");

describe("The packed declarations", function () {
  this.timeout(600_000);

  const compile = async (
    folder: string,
    compiler: string,
    options: object,
    files: readonly string[],
  ): Promise<string> => {
    const project = join(folder, `tsconfig-${randomUUID()}.json`);
    await writeFile(project, JSON.stringify({ compilerOptions: { ...flags, ...options }, files }));
    return run(process.execPath, [programOf(compiler), "-p", project]).then(
      () => "",
      (error: { readonly stdout: string }) => error.stdout || String(error),
    );
  };

  it("compile with the documents' code by TypeScript 5.6 to 7, as strictly as can be", async () => {
    await withFolder(async (folder) => {
      await installPacked(folder, ...packages, ...types.map((name) => `@types/${name}`));
      const written = await writeSnippets(folder);
      expect(written).to.include.members(["docs/getting-started/app.ts", "README/client.ts"]);
      expect(written.some((name) => name.endsWith(".tsx"))).to.equal(true);
      await writeFile(join(folder, "everything.ts"), everything);
      await writeFile(join(folder, "wrong.ts"), wrong);
      const files = [...written, "everything.ts"];
      for (const [version, compiler] of Object.entries(compilers)) {
        expect(await run(process.execPath, [programOf(compiler), "--version"]))
          .to.have.property("stdout")
          .that.includes(`Version ${version}.`);
        // skipLibCheck only reads less: what compiles without it compiles with it
        const found = await Promise.all(
          Object.values(resolutions).map((resolution) =>
            compile(folder, compiler, { ...resolution, skipLibCheck: false }, files),
          ),
        );
        expect(found, version).to.deep.equal(["", ""]);
        const refused = await compile(folder, compiler, resolutions.nodenext, ["wrong.ts"]);
        expect(refused.match(/wrong\.ts\(\d+/g), version).to.deep.equal([
          "wrong.ts(6",
          "wrong.ts(7",
        ]);
      }
    });
  });
});
