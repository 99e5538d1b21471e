const maxKept = 10_000; // uses
const keptFor = 3_600; // 1 h, in s

/**
 * Uses of refresh tokens whose outcome this node could not tell, since its store was away: the
 * token may be consumed. Whoever comes again with it has had no answer, and is judged as if it were
 * still the first time, or an outage that is longer than the reuse window would end the logins of
 * all who refreshed at its beginning. Only hashes are kept.
 */
export class UnansweredRefreshes {
  readonly #firstAt = new Map<string, number>();

  get size(): number {
    return this.#firstAt.size;
  }

  /**
   * Seconds since the first use of this token that was not answered; 0 when there was none. `now`
   * in seconds.
   */
  waitOf(hash: string, now: number): number {
    const firstAt = this.#firstAt.get(hash);
    return firstAt === undefined ? 0 : Math.min(Math.max(now - firstAt, 0), keptFor);
  }

  add(hash: string, now: number): void {
    for (const [old, at] of this.#firstAt) {
      if (this.#firstAt.size < maxKept && now - at < keptFor) break; // the oldest come first
      this.#firstAt.delete(old);
    }
    if (!this.#firstAt.has(hash)) this.#firstAt.set(hash, now);
  }

  /** It was answered. */
  delete(hash: string): void {
    this.#firstAt.delete(hash);
  }
}
