import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fits, type Shape } from "../record-shape.js";
import { createFile, removeFile, replaceFile } from "./atomic-file.js";

const readAtOnce = 32;

/**
 * Records of one kind, each in a file of its own, named by a hash of its key: a key may hold
 * anything.
 */
export class RecordFolder<R> {
  readonly path: string;
  readonly #shape: Shape<R>;

  constructor(path: string, shape: Shape<R>) {
    this.path = path;
    this.#shape = shape;
  }

  read(key: string): Promise<R | undefined> {
    return this.#readFile(fileName(key));
  }

  write(key: string, record: R): Promise<void> {
    return replaceFile(this.path, fileName(key), `${JSON.stringify(record)}\n`);
  }

  /** False when the key is taken. */
  create(key: string, record: R): Promise<boolean> {
    return createFile(this.path, fileName(key), `${JSON.stringify(record)}\n`);
  }

  /** False when there was none. */
  remove(key: string): Promise<boolean> {
    return removeFile(this.path, fileName(key));
  }

  async list(): Promise<R[]> {
    const records: R[] = [];
    const names = await this.#fileNames();
    for (let from = 0; from < names.length; from += readAtOnce) {
      const read = await Promise.all(
        names.slice(from, from + readAtOnce).map((name) => this.#readFile(name)),
      );
      records.push(...read.filter((record) => record !== undefined)); // else: removed meanwhile
    }
    return records;
  }

  /** Where a key's lock file belongs. */
  lockPath(key: string): string {
    return join(this.path, `${fileName(key)}.lock`);
  }

  /** Throws when anybody but the owner may read one of the files. */
  async refuseReadable(): Promise<void> {
    if (process.platform === "win32") return; // modes say nothing there
    for (const name of await this.#fileNames()) {
      const path = join(this.path, name);
      const { mode } = await stat(path);
      if ((mode & 0o077) === 0) continue;
      throw new Error(
        `other users of this machine may read the secret in ${path} (mode ${(mode & 0o777).toString(8)}): chmod 600 ${path}`,
      );
    }
  }

  async #fileNames(): Promise<string[]> {
    return (await readdir(this.path)).filter(
      (name) => name.endsWith(".json") && !name.startsWith("."),
    );
  }

  async #readFile(name: string): Promise<R | undefined> {
    const path = join(this.path, name);
    const text = await readIfThere(path);
    if (text === undefined) return undefined;
    const value = parse(text);
    if (!fits(value, this.#shape))
      throw new Error(
        `${path} is damaged: restore it from a backup, or delete it to forget what it held`,
      );
    return value;
  }
}

function fileName(key: string): string {
  return `${createHash("sha256").update(key).digest("hex")}.json`;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Undefined when the text is no JSON: nothing that fits a shape, whatever the reason. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
