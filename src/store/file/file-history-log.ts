import { randomUUID } from "node:crypto";
import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type {
  Generations,
  HistoryEntry,
  HistoryLog,
  HistoryReader,
  OpenedLog,
} from "../../pubsub/history-log.js";
import { createFile, removeFile, replaceFile } from "./atomic-file.js";
import { releaseLock, takeLock } from "./lock-file.js";

const fileName = "history.log";
/** Left by a server that could not use the file: what it published is missing there. */
const renewName = "history.renew";
const lockName = "history.lock";
const newline = 10;
const chunkBytes = 1_048_576; // 1 MiB
const charactersPerPart = 262_144; // 256 Ki
const growth = 2; // times the size after the last compaction, plus:
const minGarbage = 4_194_304; // 4 MiB

/** The first line. */
interface Header {
  readonly jotwire: "history";
  readonly version: 1;
  readonly epoch: string;
  /** Names the start of the machine; "" if each write was made durable. */
  readonly boot: string;
}

/** The files that this process has open. */
const opened = new Set<string>();

/** Why a file cannot be used. */
class UnusableLog extends Error {}

/**
 * A {@link HistoryLog} in a file of lines, each with its checksum. What is written survives the end
 * of the process, and only an orderly close makes it durable: after a start of the machine a file
 * that was not closed begins anew. Where a start of the machine cannot be recognized, each write is
 * made durable. A last line that was cut short was never acknowledged, and is ignored.
 */
export class FileHistoryLog implements HistoryLog {
  readonly #folder: string;
  readonly #path: string;
  readonly #prepared: () => Promise<void>;
  #handle: FileHandle | undefined;
  #header: Header | undefined;
  #end = 0;
  #longFrom = 0;
  /** A failed write may have left something behind the end. */
  #isTorn = false;
  #written: Generations = { newest: 0, forgotten: -1 };

  /** @param prepared resolves once the folder exists */
  constructor(folder: string, prepared: () => Promise<void>) {
    this.#folder = folder;
    this.#path = join(folder, fileName);
    this.#prepared = prepared;
  }

  get isLong(): boolean {
    return this.#end > this.#longFrom;
  }

  async open(reader: HistoryReader): Promise<OpenedLog> {
    await this.#prepared();
    const inUse = await this.#holder();
    if (inUse !== undefined) {
      // what this server publishes will be missing in the file
      await createFile(this.#folder, renewName, "");
      return { inUse };
    }
    opened.add(this.#path);
    try {
      return await this.#openFile(reader);
    } catch (error) {
      await this.#release();
      throw error;
    }
  }

  async append(entries: readonly HistoryEntry[], generations: Generations): Promise<void> {
    const handle = this.#use();
    const { newest, forgotten } = this.#written;
    const isNew = newest !== generations.newest || forgotten !== generations.forgotten;
    const text = `${isNew ? line(JSON.stringify(generations)) : ""}${entries.map(entryLine).join("")}`;
    if (this.#isTorn) await handle.truncate(this.#end);
    this.#isTorn = false;
    if ((await handle.stat()).size !== this.#end)
      throw new Error(`${this.#path} was changed by another program; restart the server`);
    await this.#write(handle, text);
    this.#written = generations;
  }

  async compact(entries: Iterable<HistoryEntry>, generations: Generations): Promise<void> {
    try {
      await this.#replace(this.#header as Header, entries, generations);
    } catch (error) {
      this.#longFrom = this.#end * growth; // not again with each event
      throw error;
    }
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    if (handle === undefined) return;
    try {
      if (this.#isTorn) await handle.truncate(this.#end);
      await this.#write(handle, line('{"closed":true}'));
      await handle.datasync();
    } finally {
      await this.#release();
    }
  }

  #use(): FileHandle {
    if (this.#handle === undefined) throw new Error(`${this.#path} is not open`);
    return this.#handle;
  }

  /** Who has the file, as a text for the log; undefined: it is ours now. */
  async #holder(): Promise<string | undefined> {
    if (opened.has(this.#path)) return "another server of this process";
    const lock = await takeLock(join(this.#folder, lockName));
    return lock.holder === "us" ? undefined : `process ${lock.pid}`;
  }

  async #release(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    if (!opened.delete(this.#path)) return;
    await handle?.close();
    await releaseLock(join(this.#folder, lockName));
  }

  async #openFile(reader: HistoryReader): Promise<OpenedLog> {
    const boot = await bootName();
    const entries: HistoryEntry[] = [];
    let [epoch, renewed]: [string, string | undefined] = [randomUUID(), undefined];
    this.#written = { newest: 0, forgotten: -1 };
    try {
      if (await exists(join(this.#folder, renewName)))
        throw new UnusableLog("another server published while this file was in use");
      const header = await this.#read(boot, entries);
      if (header !== undefined) epoch = header.epoch;
    } catch (error) {
      if (!(error instanceof UnusableLog)) throw error;
      renewed = error.message;
      entries.length = 0;
      this.#written = { newest: 0, forgotten: -1 };
    }
    await this.#replace({ jotwire: "history", version: 1, epoch, boot }, entries, this.#written);
    await removeFile(this.#folder, renewName);
    reader.generations(this.#written);
    for (const entry of entries) reader.entry(entry);
    return { epoch, ...(renewed === undefined ? {} : { renewed }) };
  }

  /**
   * Reads the file, if there is one.
   *
   * @throws UnusableLog when it is damaged, or may lack what was acknowledged
   */
  async #read(boot: string, entries: HistoryEntry[]): Promise<Header | undefined> {
    if (!(await exists(this.#path))) return undefined;
    let header: Header | undefined;
    let isClosed = false;
    for await (const body of this.#lines()) {
      isClosed = false;
      if (header === undefined) header = headerOf(body);
      else if (body.startsWith("[")) entries.push(entryOf(body));
      else {
        const { closed, newest, forgotten } = JSON.parse(body);
        if (closed === true) isClosed = true;
        else this.#written = { newest, forgotten };
      }
    }
    if (header === undefined) throw new UnusableLog("the file is empty");
    if (header.boot !== "" && header.boot !== boot && !isClosed)
      throw new UnusableLog("the machine was restarted before the server had closed the file");
    return header;
  }

  /** The bodies of all whole lines. */
  async *#lines(): AsyncGenerator<string> {
    const handle = await open(this.#path, "r");
    try {
      const buffer = Buffer.allocUnsafe(chunkBytes);
      let number = 0;
      for (let rest = Buffer.alloc(0); ; ) {
        const { bytesRead } = await handle.read(buffer, 0, chunkBytes);
        if (bytesRead === 0) return;
        rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
        for (let end = rest.indexOf(newline); end !== -1; end = rest.indexOf(newline)) {
          yield bodyOf(rest.toString("utf8", 0, end), ++number);
          rest = rest.subarray(end + 1);
        }
      }
    } finally {
      await handle.close();
    }
  }

  async #replace(
    header: Header,
    entries: Iterable<HistoryEntry>,
    generations: Generations,
  ): Promise<void> {
    function* parts(): Iterable<string> {
      let part = line(JSON.stringify(header)) + line(JSON.stringify(generations));
      for (const entry of entries) {
        part += entryLine(entry);
        if (part.length < charactersPerPart) continue;
        yield part;
        part = "";
      }
      yield part;
    }
    await replaceFile(this.#folder, fileName, parts());
    const before = this.#handle;
    this.#handle = await open(this.#path, "a", 0o600);
    this.#header = header;
    this.#end = (await this.#handle.stat()).size;
    this.#longFrom = this.#end * growth + minGarbage;
    this.#isTorn = false;
    this.#written = generations;
    await before?.close();
  }

  async #write(handle: FileHandle, text: string): Promise<void> {
    try {
      await handle.appendFile(text);
      if (this.#header?.boot === "") await handle.datasync();
    } catch (error) {
      this.#isTorn = true;
      // what was refused must not count after a restart
      await handle.truncate(this.#end).then(
        () => {
          this.#isTorn = false;
        },
        () => {},
      );
      throw error;
    }
    this.#end += Buffer.byteLength(text);
  }
}

function line(body: string): string {
  return `${crc32(body).toString(16).padStart(8, "0")} ${body}\n`;
}

function bodyOf(text: string, number: number): string {
  const body = text.slice(9);
  if (line(body) === `${text}\n`) return body;
  throw new UnusableLog(`line ${number} of the file is damaged`);
}

/** The data is JSON already, and stands behind a tab, of which JSON has none. */
function entryLine({ topic, offset, generation, at, size, ttl, data }: HistoryEntry): string {
  const place = JSON.stringify([topic, offset, generation, at, size, finite(ttl)]);
  return line(data === undefined ? place : `${place}\t${data}`);
}

function entryOf(body: string): HistoryEntry {
  const tab = body.indexOf("\t");
  const place = tab === -1 ? body : body.slice(0, tab);
  const [topic, offset, generation, at, size, ttl] = JSON.parse(place);
  return {
    ...{ topic, offset, generation, at, size },
    ttl: ttl ?? Number.POSITIVE_INFINITY,
    ...(tab === -1 ? {} : { data: body.slice(tab + 1) }),
  };
}

/** JSON has no `Infinity`. */
function finite(ttl: number): number | null {
  return Number.isFinite(ttl) ? ttl : null;
}

function headerOf(body: string): Header {
  const header = JSON.parse(body);
  if (header.jotwire === "history" && header.version === 1) return header;
  throw new UnusableLog("another version of jotwire wrote the file");
}

/** Empty: unknown. */
async function bootName(): Promise<string> {
  try {
    return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  } catch {
    return ""; // not Linux
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}
