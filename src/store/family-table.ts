import { hasEnded } from "./refresh-token-rotation.js";
import type { FamilyRecord } from "./store.js";

/**
 * Refresh families in memory, some 600 bytes each. Those that were used last stand last, among all
 * and among those of their subject.
 */
export class FamilyTable {
  readonly #records = new Map<string, FamilyRecord>();
  readonly #ofSubject = new Map<string, Set<string>>();

  get size(): number {
    return this.#records.size;
  }

  get(id: string): FamilyRecord | undefined {
    return this.#records.get(id);
  }

  values(): Iterable<FamilyRecord> {
    return this.#records.values();
  }

  ofSubject(subject: string): readonly FamilyRecord[] {
    return [...(this.#ofSubject.get(subject) ?? [])].flatMap((id) => this.#records.get(id) ?? []);
  }

  /** Those of a subject that are not revoked. */
  liveOf(subject: string): readonly FamilyRecord[] {
    return this.ofSubject(subject).filter(({ revoked }) => !revoked);
  }

  /**
   * Where there are more than `most` of the subject: those that are revoked, then those that were
   * not used for the longest time.
   */
  excessOf(subject: string, most: number): readonly string[] {
    const excess = (this.#ofSubject.get(subject)?.size ?? 0) - most;
    if (excess <= 0) return [];
    const families = this.ofSubject(subject);
    const [dead, living] = [true, false].map((revoked) =>
      families.filter((family) => family.revoked === revoked),
    );
    return [...(dead ?? []), ...(living ?? [])].slice(0, excess).map(({ id }) => id);
  }

  ended(now: number): readonly string[] {
    return [...this.#records.values()]
      .filter((family) => hasEnded(family, now))
      .map(({ id }) => id);
  }

  /** A family that is revoked was not used: it keeps its place. */
  put(family: FamilyRecord): void {
    if (!family.revoked) this.remove(family.id);
    this.#records.set(family.id, family);
    const ids = this.#ofSubject.get(family.subject) ?? new Set();
    ids.add(family.id);
    this.#ofSubject.set(family.subject, ids);
  }

  remove(id: string): void {
    const family = this.#records.get(id);
    if (family === undefined) return;
    this.#records.delete(id);
    const ids = this.#ofSubject.get(family.subject);
    ids?.delete(id);
    if (ids?.size === 0) this.#ofSubject.delete(family.subject);
  }

  clear(): void {
    this.#records.clear();
    this.#ofSubject.clear();
  }
}
