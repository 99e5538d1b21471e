const maxKept = 10_000; // uses
const keptFor = 3_600; // 1 h, in s

/**
 * Remembers uses of refresh tokens whose outcome this node does not know, since its store could not
 * be reached: the token may be consumed. The peer has no answer and will repeat the token; the
 * reuse window must then start at the first use. Otherwise an outage longer than the reuse window
 * would end the logins of all peers that refreshed at its beginning. Keeps only hashes.
 */
export class UnansweredRefreshes {
  readonly #firstAt = new Map<string, number>();

  get size(): number {
    return this.#firstAt.size;
  }

  /**
   * Returns the seconds since the first unanswered use of a token, or 0 without such a use. `now`
   * is in seconds.
   */
  waitOf(hash: string, now: number): number {
    const firstAt = this.#firstAt.get(hash);
    return firstAt === undefined ? 0 : Math.min(Math.max(now - firstAt, 0), keptFor);
  }

  add(hash: string, now: number): void {
    for (const [old, at] of this.#firstAt) {
      if (this.#firstAt.size < maxKept && now - at < keptFor) break; // oldest first
      this.#firstAt.delete(old);
    }
    if (!this.#firstAt.has(hash)) this.#firstAt.set(hash, now);
  }

  /** Forgets a use, since it was answered. */
  delete(hash: string): void {
    this.#firstAt.delete(hash);
  }
}
