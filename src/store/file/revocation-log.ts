import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type {
  Revocation,
  RevocationListener,
  RevocationRecords,
} from "../../auth/revocation/revocation.js";
import { RevocationList } from "../../auth/revocation/revocation-list.js";
import type { Clock } from "../../runtime/clock.js";
import { removePassingFile } from "./atomic-file.js";
import { Journal } from "./journal.js";
import { withLock } from "./lock-file.js";

const pollIntervalMs = 500; // revocations by other processes must take effect within a second
const minGarbage = 1_000; // lines

/** A line of the journal. */
interface Line {
  readonly revocation: Revocation;
  /** Time of writing, milliseconds since 1970. */
  readonly at: number;
}

interface Addition {
  readonly revocation: Revocation;
  readonly settle: () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Keeps revocations in memory and in a journal. Several processes append to the journal, one at a
 * time under a lock file. Each process polls the journal for changes, with one call to the file
 * system, and reads only new lines. Concurrent additions share one write; a journal that is mostly
 * garbage is compacted.
 */
export class RevocationLog implements RevocationRecords {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #opened: () => Promise<void>;
  readonly #journal: Journal;
  readonly #lock: string;
  readonly #listeners = new Set<RevocationListener>();
  #list = new RevocationList();
  #additions: Addition[] = [];
  #isWriting = false;
  /**
   * Resolves once this process has read the journal for the first time. Listeners receive only
   * later revocations.
   */
  #loaded: Promise<void> | undefined;
  #isLoaded = false;
  #stopPolling: () => void = () => {};

  /** @param opened resolves once the folder exists */
  constructor(path: string, clock: Clock, opened: () => Promise<void>) {
    this.#path = path;
    this.#clock = clock;
    this.#opened = opened;
    this.#journal = new Journal(path, "revocations.jsonl");
    this.#lock = join(path, "revocations.lock");
  }

  async add(revocation: Revocation): Promise<void> {
    await this.#load();
    if (this.#list.covers(revocation)) return; // lines of the journal are durable
    return new Promise((settle, fail) => {
      this.#additions.push({ revocation, settle, fail });
      if (!this.#isWriting) void this.#writeAll();
    });
  }

  async list(now: number): Promise<readonly Revocation[]> {
    await this.#load();
    await this.#look();
    this.#list.sweep(now);
    return this.#list.values();
  }

  async sweep(now: number): Promise<void> {
    await this.#load();
    this.#list.sweep(now);
    if (this.#isGarbage()) await withLock(this.#lock, () => this.#writeAnew());
  }

  subscribe(listener: RevocationListener): () => void {
    // one function may subscribe twice
    const own: RevocationListener = (revocation, announcedAt) => listener(revocation, announcedAt);
    this.#listeners.add(own);
    if (this.#listeners.size === 1) {
      // other calls report the error of a failed load; listeners receive later revocations
      this.#load().catch(() => {});
      this.#pollLater();
    }
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size === 0) this.close();
    };
  }

  close(): void {
    this.#listeners.clear();
    this.#stopPolling();
  }

  #load(): Promise<void> {
    this.#loaded ??= this.#readFirst().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  async #readFirst(): Promise<void> {
    await this.#opened();
    if ((await this.#oldFiles()).length > 0) await withLock(this.#lock, () => this.#takeOver());
    else await this.#look();
    this.#isLoaded = true;
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#additions.length > 0) {
      const additions = this.#additions;
      this.#additions = [];
      try {
        const added = await withLock(this.#lock, () => this.#write(additions));
        for (const { settle } of additions) settle();
        for (const revocation of added) this.#notify(revocation);
      } catch (error) {
        for (const { fail } of additions) fail(error);
      }
    }
    this.#isWriting = false;
  }

  /** Appends revocations to the journal. Returns the new ones. The caller holds the lock. */
  async #write(additions: readonly Addition[]): Promise<readonly Revocation[]> {
    await this.#look();
    const next = new RevocationList();
    const added = additions
      .map(({ revocation }) => revocation)
      .filter((one) => !this.#list.covers(one) && next.add(one));
    if (added.length === 0) return [];
    const at = this.#clock.now();
    await this.#journal.append(added.map((revocation): Line => ({ revocation, at })));
    for (const revocation of added) this.#list.add(revocation);
    // a failed compaction, on a full disk for example, is repeated with the next addition
    if (this.#isGarbage()) await this.#writeAnew().catch(() => {});
    return added;
  }

  #isGarbage(): boolean {
    return this.#journal.lines > 2 * this.#list.size + minGarbage;
  }

  /** Compacts the journal. The caller holds the lock. */
  async #writeAnew(): Promise<void> {
    await this.#look();
    const at = this.#clock.now();
    await this.#journal.replace(
      this.#list.values().map((revocation): Line => ({ revocation, at })),
    );
  }

  /**
   * Reads the lines that other processes have added and notifies the listeners. A compacted file
   * has all current revocations.
   */
  async #look(): Promise<void> {
    const take = (value: unknown): void => {
      const { revocation, at } = lineOf(value);
      if (this.#list.add(revocation) && this.#isLoaded) this.#notify(revocation, at);
    };
    await this.#journal.read(() => {}, take);
  }

  #pollLater(): void {
    if (this.#listeners.size === 0) return;
    this.#stopPolling();
    const again = (): void => this.#pollLater();
    this.#stopPolling = this.#clock.after(pollIntervalMs, () => {
      this.#load()
        .then(() => this.#look())
        .then(again, again); // a failed read is repeated with the next poll
    });
  }

  #notify(revocation: Revocation, announcedAt?: number): void {
    for (const listener of this.#listeners) listener(revocation, announcedAt);
  }

  async #oldFiles(): Promise<readonly string[]> {
    return (await readdir(this.#path)).filter((name) =>
      /^[\da-f]{32}-[\da-f]{32}\.json$/.test(name),
    );
  }

  /** Imports revocations from the former format, one file each. The caller holds the lock. */
  async #takeOver(): Promise<void> {
    await this.#look();
    const names = await this.#oldFiles();
    for (const name of names) this.#list.add(await revocationIn(join(this.#path, name)));
    await this.#writeAnew();
    for (const name of names) await removePassingFile(this.#path, name);
  }
}

async function revocationIn(path: string): Promise<Revocation> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new Error(
        `${path} is damaged; delete the file, and repeat the revocation that it held`,
      );
    throw error;
  }
}

function lineOf(value: unknown): Line {
  const { revocation, at } = value as { readonly revocation?: unknown; readonly at?: unknown };
  if (typeof revocation === "object" && revocation !== null && typeof at === "number")
    return { revocation, at };
  throw new Error(
    "a line of revocations.jsonl is not a revocation; delete the line, and repeat the revocation that it held",
  );
}
