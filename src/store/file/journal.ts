import { randomBytes } from "node:crypto";
import { type FileHandle, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { createFile, replaceFile } from "./atomic-file.js";

const newline = 10;
// 1 MiB at a time, so that the event loop turns while a long file is read
const chunkBytes = 1_048_576;
const linesPerChunk = 500;

const headerStart = '{"jotwire":"journal","id":"';

/** The first line: another one whenever the file is written anew, so that its readers notice. */
function newHeader(): string {
  return `${headerStart}${randomBytes(16).toString("base64url")}"}\n`;
}

const headerBytes = newHeader().length;

/**
 * A file (mode 0600) of JSON lines that grows at its end, and is written anew from time to time.
 * Any process may read it, and reads but what was added since it last did; only one at a time may
 * write. A line that a crash has cut short was never durable: nobody reads it, and the next writer
 * cuts it off.
 */
export class Journal {
  readonly #folder: string;
  readonly #name: string;
  readonly #path: string;
  #header = "";
  /** Where the last line that was read, or written, ends. */
  #end = 0;
  /** By what a file that has not changed is known, without opening it. */
  #known = "";
  #lines = 0;
  /** What was begun last: all that moves the end is done one after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
    this.#path = join(folder, name);
  }

  /** Lines in the file, as far as it was read. */
  get lines(): number {
    return this.#lines;
  }

  /**
   * Reads what is new. `begin`: the file was written anew, or is gone, and what it had before
   * counts no more; `take`: one line's value. Throws when a line is damaged.
   */
  read(begin: () => void, take: (value: unknown) => void): Promise<void> {
    return this.#inTurn(() => this.#readNew(begin, take));
  }

  /**
   * Adds lines; durable when it resolves. Only for the one who may write, and who has read all
   * there is.
   */
  append(values: readonly object[]): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#header === "") await this.#writeAnew([]);
      await this.#append(values);
    });
  }

  /**
   * Writes the file anew, with these lines alone; durable when it resolves. Only for the one who
   * may write.
   */
  replace(values: Iterable<object>): Promise<void> {
    return this.#inTurn(() => this.#writeAnew(values));
  }

  #inTurn(job: () => Promise<void>): Promise<void> {
    const done = this.#last.then(job);
    this.#last = done.catch(() => {}); // whoever asked hears of it
    return done;
  }

  async #readNew(begin: () => void, take: (value: unknown) => void): Promise<void> {
    const known = await this.#look();
    if (known === this.#known) return;
    if (known === "") {
      this.#forget("");
      begin();
    } else await this.#readFile(begin, take);
    this.#known = known; // as it was before it was read: what came meanwhile is read the next time
  }

  async #append(values: readonly object[]): Promise<void> {
    const text = values.map((value) => `${JSON.stringify(value)}\n`).join("");
    const handle = await open(this.#path, "a", 0o600);
    try {
      // what a crash has left
      if ((await handle.stat()).size !== this.#end) await handle.truncate(this.#end);
      await handle.appendFile(text);
      await handle.datasync();
    } catch (error) {
      // some lines may be there whole: what was refused must not count after a restart
      await handle.truncate(this.#end).catch(() => {});
      throw error;
    } finally {
      await handle.close();
    }
    this.#end += Buffer.byteLength(text);
    this.#lines += values.length;
    this.#known = await this.#look();
  }

  async #writeAnew(values: Iterable<object>): Promise<void> {
    const header = newHeader();
    let [bytes, lines] = [0, 0];
    function* parts(): Iterable<string> {
      yield header;
      let part = "";
      for (const value of values) {
        part += `${JSON.stringify(value)}\n`;
        lines++;
        if (lines % linesPerChunk !== 0) continue;
        yield counted(part);
        part = "";
      }
      yield counted(part);
    }
    const counted = (part: string): string => {
      bytes += Buffer.byteLength(part);
      return part;
    };
    const isFirst = this.#header === "";
    if (!isFirst) await replaceFile(this.#folder, this.#name, parts());
    else if (!(await createFile(this.#folder, this.#name, parts())))
      throw new Error(`${this.#path} was made by another process: try again`);
    this.#forget(header);
    this.#end = headerBytes + bytes;
    this.#lines = lines;
    this.#known = await this.#look();
  }

  /** Empty: there is no file. */
  async #look(): Promise<string> {
    try {
      const { ino, size, mtimeNs } = await stat(this.#path, { bigint: true });
      return `${ino} ${size} ${mtimeNs}`;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
      throw error;
    }
  }

  #forget(header: string): void {
    this.#header = header;
    this.#end = 0;
    this.#lines = 0;
  }

  async #readFile(begin: () => void, take: (value: unknown) => void): Promise<void> {
    const handle = await open(this.#path, "r");
    try {
      // a line that its writer has not made durable must not be lost once it counts
      if (process.platform !== "win32") await handle.datasync();
      const header = await headerOf(handle);
      if (!header.startsWith(headerStart)) throw damaged(this.#path, 1);
      if (header !== this.#header || (await handle.stat()).size < this.#end) {
        this.#forget(header);
        this.#end = headerBytes;
        begin();
      }
      await this.#readLines(handle, take);
    } finally {
      await handle.close();
    }
  }

  async #readLines(handle: FileHandle, take: (value: unknown) => void): Promise<void> {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    for (let rest = Buffer.alloc(0); ; ) {
      const { bytesRead } = await handle.read(buffer, 0, chunkBytes, this.#end + rest.length);
      if (bytesRead === 0) return;
      const read = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      const end = read.lastIndexOf(newline) + 1;
      const values = end === 0 ? [] : this.#parsed(read.toString("utf8", 0, end - 1).split("\n"));
      for (const value of values) take(value);
      this.#lines += values.length;
      this.#end += end;
      rest = read.subarray(end);
    }
  }

  #parsed(lines: readonly string[]): readonly unknown[] {
    return lines.map((line, index) => {
      try {
        return JSON.parse(line);
      } catch {
        throw damaged(this.#path, this.#lines + index + 2); // the first line is the header
      }
    });
  }
}

async function headerOf(handle: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(headerBytes), 0, headerBytes, 0);
  return buffer.toString("utf8", 0, bytesRead);
}

function damaged(path: string, line: number): Error {
  return new Error(
    `${path} is damaged in line ${line}: restore it from a backup, or delete that line to forget what it held`,
  );
}
