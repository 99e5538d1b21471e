/** Folders as a user has them: with the package and what it needs, and nothing else of this one. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { copyFile, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** For `--import`, where tsx is not to be found. */
export const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

export const root = fileURLToPath(new URL("../../../", import.meta.url));

export interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

/** Packs what was built, without building it again; once, since it takes seconds. */
export async function pack(folder: string): Promise<Packed> {
  packing ??= packInto(mkdtempSync(join(tmpdir(), "jotwire-packed-")));
  const { packed, place } = await packing;
  await copyFile(join(place, packed.filename), join(folder, packed.filename));
  return packed;
}

let packing: ReturnType<typeof packInto> | undefined;

async function packInto(place: string) {
  process.once("exit", () => rmSync(place, { recursive: true, force: true }));
  const { stdout } = await run(
    "npm",
    ["pack", "--json", "--ignore-scripts", "--pack-destination", place],
    { cwd: root },
  );
  const answer = JSON.parse(stdout) as readonly Packed[] | Readonly<Record<string, Packed>>;
  const [packed] = Object.values(answer) as readonly Packed[];
  if (packed === undefined) throw new Error(`npm pack said ${stdout}`);
  return { packed, place };
}

/**
 * What `npm install` makes of the packed package in an empty folder, and the packages named
 * besides; nothing else is found from there.
 */
export async function installPacked(folder: string, ...others: readonly string[]): Promise<void> {
  const { filename } = await pack(folder);
  const own = join(folder, "node_modules", "jotwire");
  await mkdir(own, { recursive: true });
  await run("tar", ["-xzf", join(folder, filename), "--strip-components", "1", "-C", own]);
  const { dependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    readonly dependencies: object;
  };
  await link(folder, ...Object.keys(dependencies), ...others);
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
}

/** Makes packages of this one's `node_modules` known in a folder. */
export async function link(folder: string, ...names: readonly string[]): Promise<void> {
  for (const name of names) {
    const path = join(folder, "node_modules", name);
    await mkdir(dirname(path), { recursive: true });
    await symlink(name === "jotwire" ? root : join(root, "node_modules", name), path);
  }
}
