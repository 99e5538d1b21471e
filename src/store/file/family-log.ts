import { readdir } from "node:fs/promises";
import { FamilyTable } from "../family-table.js";
import { familyShape, fits } from "../record-shape.js";
import { decideRotation, hasEnded } from "../refresh-token-rotation.js";
import type { FamilyRecord, FamilyRecords, Rotation, RotationOutcome } from "../store.js";
import { removePassingFile } from "./atomic-file.js";
import { Journal } from "./journal.js";
import { RecordFolder } from "./record-folder.js";

/** A line of the journal. */
type Line = { readonly put: FamilyRecord } | { readonly forget: string };

interface Change<T> {
  readonly result: T;
  readonly lines: readonly Line[];
}

interface Job {
  /** Decides on what is in memory then, and gives the lines that make it so. */
  readonly decide: () => readonly Line[];
  readonly settle: () => void;
  readonly fail: (error: unknown) => void;
}

const minGarbage = 1_000; // lines

/**
 * Refresh families in memory, and in a journal that makes each change durable before anybody hears
 * of it. One process may change them, the one that has the server's lock; changes that come
 * together are made durable together. A start reads one file, and a file that is mostly garbage is
 * written anew.
 */
export class FamilyLog implements FamilyRecords {
  readonly #path: string;
  readonly #journal: Journal;
  readonly #table = new FamilyTable();
  readonly #open: () => Promise<void>;
  readonly #lock: () => Promise<void>;
  /** Present once the lock was taken and all was read: nobody else writes any more. */
  #owning: Promise<void> | undefined;
  #isOwner = false;
  #jobs: Job[] = [];
  /** Of what was written last, or is being written. */
  #writing: Promise<void> = Promise.resolve();
  #isWriting = false;

  /** `open`: makes the folder. `lock`: rejects while another process serves from it. */
  constructor(path: string, open: () => Promise<void>, lock: () => Promise<void>) {
    this.#path = path;
    this.#journal = new Journal(path, "families.jsonl");
    this.#open = open;
    this.#lock = lock;
  }

  async add(family: FamilyRecord, most = Number.POSITIVE_INFINITY): Promise<void> {
    await this.#change(() => {
      const excess = this.#table.excessOf(family.subject, most - 1); // the new one comes on top
      return {
        result: undefined,
        lines: [{ put: family }, ...excess.map((id) => ({ forget: id }))],
      };
    });
  }

  async get(id: string, now = Number.NEGATIVE_INFINITY): Promise<FamilyRecord | undefined> {
    await this.#read();
    const family = this.#table.get(id);
    if (family === undefined || !hasEnded(family, now)) return family;
    await this.#change(() => ({ result: undefined, lines: this.#endedOnes([id], now) }));
    return undefined;
  }

  rotate(rotation: Rotation): Promise<RotationOutcome> {
    return this.#change(() => {
      const { result, write } = decideRotation(this.#table.get(rotation.familyId), rotation);
      const ended = this.#endedOnes([rotation.familyId], rotation.now);
      return { result, lines: write === undefined ? ended : [{ put: write }] };
    });
  }

  revoke(id: string): Promise<boolean> {
    return this.#change(() => {
      const family = this.#table.get(id);
      const isLive = family !== undefined && !family.revoked;
      return { result: isLive, lines: isLive ? [{ put: { ...family, revoked: true } }] : [] };
    });
  }

  revokeSubject(subject: string): Promise<number> {
    return this.#change(() => {
      const meant = this.#table.liveOf(subject);
      return {
        result: meant.length,
        lines: meant.map((family) => ({ put: { ...family, revoked: true } })),
      };
    });
  }

  sweep(now: number): Promise<number> {
    return this.#change(() => {
      const lines = this.#endedOnes(this.#table.ended(now), now);
      return { result: lines.length, lines };
    });
  }

  /** After it another process may have the lock. */
  async close(): Promise<void> {
    await this.#writing;
    this.#owning = undefined;
    this.#isOwner = false;
  }

  #endedOnes(ids: readonly string[], now: number): Line[] {
    return ids.flatMap((id) => {
      const family = this.#table.get(id);
      return family !== undefined && hasEnded(family, now) ? [{ forget: id }] : [];
    });
  }

  async #change<T>(decide: () => Change<T>): Promise<T> {
    this.#owning ??= this.#own().catch((error: unknown) => {
      this.#owning = undefined;
      throw error;
    });
    await this.#owning;
    return new Promise((resolve, reject) => {
      let result: { readonly value: T } | undefined;
      this.#jobs.push({
        decide: () => {
          const change = decide();
          result = { value: change.result };
          return change.lines;
        },
        settle: () => result !== undefined && resolve(result.value),
        fail: reject,
      });
      if (!this.#isWriting) this.#writing = this.#writeAll();
    });
  }

  /**
   * All that wait go into one write. What can't be made durable is undone, and refused. The flag
   * falls in the same step as the last look at the jobs, so that no job comes between the two.
   */
  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#jobs.length > 0) {
      const jobs = this.#jobs;
      this.#jobs = [];
      const undo: (() => void)[] = [];
      try {
        const lines: Line[] = [];
        for (const { decide } of jobs) {
          for (const line of decide()) {
            undo.push(this.#apply(line));
            lines.push(line);
          }
        }
        if (lines.length > 0) await this.#journal.append(lines);
      } catch (error) {
        for (const step of undo.reverse()) step();
        for (const job of jobs) job.fail(error);
        continue;
      }
      for (const job of jobs) job.settle();
      // no room: the next change tries again
      if (this.#journal.lines > 2 * this.#table.size + minGarbage)
        await this.#writeAnew().catch(() => {});
    }
    this.#isWriting = false;
  }

  #writeAnew(): Promise<void> {
    return this.#journal.replace(putAll(this.#table.values()));
  }

  /** Returns what undoes it. */
  #apply(line: Line): () => void {
    const id = "put" in line ? line.put.id : line.forget;
    const before = this.#table.get(id);
    if ("put" in line) this.#table.put(line.put);
    else this.#table.remove(id);
    return () => (before === undefined ? this.#table.remove(id) : this.#table.put(before));
  }

  /** What another process writes is read too, as long as this one is not the writer. */
  async #read(): Promise<void> {
    await this.#open();
    if (this.#isOwner) await this.#writing;
    else await this.#readJournal();
  }

  #readJournal(): Promise<void> {
    return this.#journal.read(
      () => this.#table.clear(),
      (value) => this.#apply(lineOf(value)),
    );
  }

  async #own(): Promise<void> {
    await this.#lock();
    await this.#readJournal();
    await this.#takeOver();
    this.#isOwner = true;
  }

  /** Families were a file each once. */
  async #takeOver(): Promise<void> {
    const names = (await readdir(this.#path)).filter((name) => /^[\da-f]{64}\.json$/.test(name));
    if (names.length === 0) return;
    const folder = new RecordFolder<FamilyRecord>(this.#path, familyShape);
    for (const family of await folder.list())
      if (this.#table.get(family.id) === undefined) this.#table.put(family);
    await this.#writeAnew();
    for (const name of names) await removePassingFile(this.#path, name);
  }
}

function* putAll(families: Iterable<FamilyRecord>): Iterable<Line> {
  for (const put of families) yield { put };
}

function lineOf(value: unknown): Line {
  const { put, forget } = value as { readonly put?: unknown; readonly forget?: unknown };
  if (fits(put, familyShape)) return { put };
  if (typeof forget === "string") return { forget };
  throw new Error(
    "a line of families.jsonl is neither a family nor the end of one: restore the file from a backup",
  );
}
