import { randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../auth/clock.js";
import type { Revocation, RevocationRecords } from "../auth/revocation.js";
import { createFile, removeFile } from "./atomic-file.js";

const pollInterval = 500; // 0.5 s: what another process revokes is told within a second

/** Revocations, a file each: several processes add them, and each looks regularly for those of the others. */
export class RevocationFolder implements RevocationRecords {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #opened: () => Promise<void>;
  readonly #listeners = new Set<(revocation: Revocation) => void>();
  /** Names of the files that were told, or were there before anybody listened. */
  #seen = new Set<string>();
  /** Names of files that this process is writing. */
  readonly #adding = new Set<string>();
  /** Present while somebody listens. */
  #firstLook: Promise<void> | undefined;
  #stopPolling: () => void = () => {};

  constructor(path: string, clock: Clock, opened: () => Promise<void>) {
    this.#path = path;
    this.#clock = clock;
    this.#opened = opened;
  }

  async add(revocation: Revocation): Promise<void> {
    await this.#opened();
    const name = `${randomUUID()}.json`;
    this.#adding.add(name); // or a look in between would tell it twice
    try {
      await createFile(this.#path, name, `${JSON.stringify(revocation)}\n`);
      this.#seen.add(name);
    } finally {
      this.#adding.delete(name);
    }
    this.#tell(revocation);
  }

  async list(now: number): Promise<readonly Revocation[]> {
    await this.#opened();
    await this.#firstLook; // so that nothing falls between what is listed and what is told
    const standing: Revocation[] = [];
    for (const name of await this.#fileNames()) {
      const revocation = await this.#read(name);
      if (revocation === undefined) continue;
      if (revocation.until === undefined || revocation.until > now) standing.push(revocation);
      else await removeFile(this.#path, name);
    }
    return standing;
  }

  subscribe(listener: (revocation: Revocation) => void): () => void {
    const own = (revocation: Revocation): void => listener(revocation); // one function may subscribe twice
    this.#listeners.add(own);
    this.#firstLook ??= this.#startPolling();
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size === 0) this.close();
    };
  }

  close(): void {
    this.#listeners.clear();
    this.#firstLook = undefined;
    this.#stopPolling();
  }

  async #startPolling(): Promise<void> {
    const before = await this.#opened()
      .then(() => this.#fileNames())
      .catch(() => []); // unreadable now, which every other use of the store tells: all that is found later counts as new
    this.#seen = new Set([...this.#seen, ...before]);
    this.#pollLater();
  }

  #pollLater(): void {
    if (this.#listeners.size === 0) return;
    this.#stopPolling();
    const again = (): void => this.#pollLater();
    this.#stopPolling = this.#clock.after(pollInterval, () => this.#look().then(again, again)); // unreadable for a moment: told at the next look
  }

  async #look(): Promise<void> {
    const known = [...this.#seen];
    const names = new Set(await this.#fileNames());
    for (const name of known) if (!names.has(name)) this.#seen.delete(name);
    await Promise.allSettled([...names].map((name) => this.#tellOf(name))); // one that can't be read holds up no other
  }

  async #tellOf(name: string): Promise<void> {
    if (this.#isOld(name)) return;
    const revocation = await this.#read(name);
    if (this.#isOld(name)) return; // while it was read
    this.#seen.add(name);
    if (revocation !== undefined) this.#tell(revocation);
  }

  #isOld(name: string): boolean {
    return this.#seen.has(name) || this.#adding.has(name);
  }

  #tell(revocation: Revocation): void {
    for (const listener of this.#listeners) listener(revocation);
  }

  async #fileNames(): Promise<string[]> {
    return (await readdir(this.#path)).filter((name) => name.endsWith(".json") && !name.startsWith("."));
  }

  async #read(name: string): Promise<Revocation | undefined> {
    const path = join(this.#path, name);
    try {
      return JSON.parse(await readFile(path, "utf8"));
    } catch (error) {
      if (error instanceof SyntaxError) throw new Error(`${path} is damaged: delete it, and revoke again what it may have held`);
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined; // swept meanwhile
      throw error;
    }
  }
}
