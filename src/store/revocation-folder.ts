import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../auth/clock.js";
import type { Revocation, RevocationListener, RevocationRecords } from "../auth/revocation.js";
import { covers, RevocationList, targetOf, wider } from "../auth/revocation-list.js";
import { createFile, removeFile } from "./atomic-file.js";
import { KeyMutex } from "./key-mutex.js";

const pollInterval = 500; // 0.5 s: what another process revokes is told within a second

/**
 * Revocations: several processes add them, and each looks regularly for those of the others. A file never changes:
 * its name is a hash of the target and a hash of the content. One that reaches farther than those of its target
 * takes their place, so that a folder holds no more files than targets; without a lock, since all of them stand
 * until the wider one is durable.
 */
export class RevocationFolder implements RevocationRecords {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #opened: () => Promise<void>;
  readonly #listeners = new Set<RevocationListener>();
  readonly #mutex = new KeyMutex();
  /** What is certainly in the folder. */
  readonly #kept = new RevocationList();
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
    const target = hashOf(targetOf(revocation));
    await this.#mutex.run(target, () => this.#addTo(target, revocation));
  }

  async list(now: number): Promise<readonly Revocation[]> {
    await this.#opened();
    await this.#firstLook; // so that nothing falls between what is listed and what is told
    this.#kept.sweep(now);
    const standing: Revocation[] = [];
    for (const name of await this.#fileNames()) {
      const revocation = await this.#read(name);
      if (revocation === undefined) return this.list(now); // a wider one has taken its place, under another name
      if (hasEnded(revocation, now)) await removeFile(this.#path, name);
      else standing.push(revocation);
    }
    for (const revocation of standing) this.#kept.add(revocation);
    return standing;
  }

  subscribe(listener: RevocationListener): () => void {
    const own: RevocationListener = (revocation, announcedAt) => listener(revocation, announcedAt); // one function may subscribe twice
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

  async #addTo(target: string, revocation: Revocation): Promise<void> {
    if (this.#kept.covers(revocation)) return;
    const names = (await this.#fileNames()).filter((name) => name.startsWith(target));
    const before = (await Promise.all(names.map((name) => this.#read(name)))).filter((known) => known !== undefined);
    if (!before.some((known) => covers(known, revocation))) {
      const whole = before.reduce((union, known) => wider(known, union), revocation);
      const name = await this.#write(target, whole);
      this.#tell(revocation);
      for (const narrower of names) if (narrower !== name) await removeFile(this.#path, narrower);
    }
    this.#kept.add(revocation);
  }

  /** Returns the file's name. */
  async #write(target: string, revocation: Revocation): Promise<string> {
    const text = `${JSON.stringify(revocation)}\n`;
    const name = `${target}-${hashOf(text)}.json`;
    this.#adding.add(name); // or a look in between would tell it twice
    try {
      await createFile(this.#path, name, text);
      this.#seen.add(name);
    } finally {
      this.#adding.delete(name);
    }
    return name;
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
    const writtenAt = await stat(join(this.#path, name)).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined, // swept meanwhile: it is told all the same
    );
    if (this.#isOld(name)) return; // while it was read
    this.#seen.add(name);
    if (revocation !== undefined) this.#tell(revocation, writtenAt);
  }

  #isOld(name: string): boolean {
    return this.#seen.has(name) || this.#adding.has(name);
  }

  #tell(revocation: Revocation, announcedAt?: number): void {
    for (const listener of this.#listeners) listener(revocation, announcedAt);
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
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined; // swept meanwhile, or a wider one is there
      throw error;
    }
  }
}

function hasEnded({ until }: Revocation, now: number): boolean {
  return until !== undefined && until <= now;
}

/** Names of targets and contents: 128 bits of SHA-256, hexadecimal. */
function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
