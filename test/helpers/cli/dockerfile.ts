import { spawnSync } from "node:child_process";
import { cp, mkdir, readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** What a Dockerfile's last stage says about its containers. */
export interface ImageSettings {
  /** What stands in the file, also where a machine without an engine can't honour it. */
  readonly user: string;
  readonly ports: readonly number[];
  readonly env: Readonly<Record<string, string>>;
  /** Its working directory, on this machine. */
  readonly folder: string;
  readonly command: readonly string[];
  /** For a shell. */
  readonly healthCheck: string;
}

/**
 * Does what a Dockerfile says without an engine: each stage is a folder, COPY copies, RUN runs in
 * the stage's working directory, with this machine's programs. Throws for what it does not know,
 * and when a RUN fails.
 */
export async function buildImage(context: string, folder: string): Promise<ImageSettings> {
  const text = await readFile(join(context, "Dockerfile"), "utf8");
  const roots = new Map<string, string>();
  let [root, place] = ["", "/"];
  let image = {
    user: "root",
    ports: [] as number[],
    env: {} as Record<string, string>,
    command: [] as string[],
    healthCheck: "",
  };
  for (const { name, rest } of instructionsOf(text)) {
    if (name === "FROM") {
      root = join(folder, `stage-${roots.size}`);
      roots.set(/ AS (\w+)$/.exec(rest)?.[1] ?? "", root);
      image = { user: "root", ports: [], env: {}, command: [], healthCheck: "" };
    } else if (name === "WORKDIR") {
      place = rest;
      await mkdir(join(root, place), { recursive: true });
    } else if (name === "COPY") {
      const stage = /^--from=(\w+) /.exec(rest)?.[1];
      const words = rest.split(" ").filter((word) => !word.startsWith("--"));
      await copy(
        stage === undefined ? context : (roots.get(stage) ?? ""),
        words.slice(0, -1),
        join(root, place, words.at(-1) ?? ""),
      );
    } else if (name === "RUN") {
      const { status, stderr } = spawnSync("sh", ["-c", rest], {
        cwd: join(root, place),
        encoding: "utf8",
        timeout: 60_000,
      });
      if (status !== 0) throw new Error(`RUN ${rest}: ${stderr}`);
    } else if (name === "ENV") Object.assign(image.env, Object.fromEntries([rest.split("=")]));
    else if (name === "USER") image.user = rest;
    else if (name === "EXPOSE") image.ports = rest.split(" ").map(Number);
    else if (name === "CMD") image.command = JSON.parse(rest) as string[];
    else if (name === "HEALTHCHECK") image.healthCheck = rest.replace(/^.*? CMD /, "");
    else throw new Error(`what is ${name}?`);
  }
  return { ...image, folder: join(root, place) };
}

function instructionsOf(text: string): Instruction[] {
  return text
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [name = "", ...words] = line.split(" ");
      return { name, rest: words.join(" ").trim() };
    });
}

/** Sources are paths or patterns; a folder's content goes into the target, as with Docker. */
async function copy(from: string, sources: readonly string[], to: string): Promise<void> {
  for (const source of sources) {
    const found = await matches(from, source);
    if (found.length === 0) throw new Error(`there is no ${source} to COPY`);
    const isInto = to.endsWith("/") || sources.length > 1 || found.length > 1;
    for (const path of found)
      await cp(path, isInto ? join(to, basename(path)) : to, {
        recursive: true,
        verbatimSymlinks: true,
      });
  }
}

/** A star stands for any characters of a name in this folder. */
async function matches(folder: string, source: string): Promise<string[]> {
  if (!source.includes("*")) return [join(folder, source)];
  const [before = "", after = ""] = source.split("*");
  const names = await readdir(folder);
  return names
    .filter((name) => name.startsWith(before) && name.endsWith(after))
    .map((name) => join(folder, name));
}
