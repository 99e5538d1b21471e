import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/**
 * An append-only file of JSON lines: what was appended is there after a crash, whole or not at all.
 * One process at a time writes it; a second one is noticed, and refused.
 */
export class Journal<Entry> {
  readonly #path: string;
  readonly #file: FileHandle;
  #length: number; // bytes that are known to be whole lines

  private constructor(path: string, file: FileHandle, length: number) {
    this.#path = path;
    this.#file = file;
    this.#length = length;
  }

  /**
   * Opens the journal, or makes it (mode 0600, in a folder 0700), and hands each entry to `replay`.
   * A last line without its line break was never acknowledged, and is cut off. Rejects when another
   * line is no JSON.
   */
  static async open<Entry>(path: string, replay: (entry: Entry) => void): Promise<Journal<Entry>> {
    const folder = resolve(dirname(path));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(path, "a+", 0o600);
    await syncFolder(folder);
    const bytes = await file.readFile();
    const length = bytes.lastIndexOf(0x0a) + 1;
    if (length < bytes.length) await file.truncate(length);
    const lines = bytes.toString("utf8", 0, length).split("\n").slice(0, -1);
    lines.forEach((line, index) => {
      replay(parse(line, `${path}:${index + 1}`));
    });
    return new Journal<Entry>(path, file, length);
  }

  /**
   * Durable when it resolves; when it rejects, the file is as it was. Not to be called again before
   * that.
   */
  async append(entry: Entry): Promise<void> {
    const { size } = await this.#file.stat();
    if (size !== this.#length)
      throw new Error(
        `another process writes ${this.#path}: one order desk for each folder, please`,
      );
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    try {
      await this.#file.appendFile(line);
      await this.#file.datasync();
    } catch (error) {
      await this.#file.truncate(this.#length);
      throw error;
    }
    this.#length += line.length;
  }
}

function parse<Entry>(line: string, place: string): Entry {
  try {
    return JSON.parse(line) as Entry;
  } catch (error) {
    throw new Error(`${place} is damaged: restore the file from a backup`, { cause: error });
  }
}

/** A new file survives a power cut only when its folder was synced too. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return; // can't, and need not
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
