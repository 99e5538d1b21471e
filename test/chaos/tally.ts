/** What was asked under a fault, and what came of it. */
export class Tally {
  /** Ids of calls that were answered with a result: their writes must never be lost. */
  readonly acknowledged = new Set<string>();
  /** Other requests that were answered with a result. */
  answered = 0;
  readonly #failures = new Map<string, number>();
  /** Milliseconds from each loss of something to its return. */
  readonly recoveries: number[] = [];
  /**
   * Calls whose connection was lost under them: nobody knows whether they ran, and the caller was
   * told so.
   */
  unknown = 0;
  /** Acknowledged writes that are nowhere. */
  lost = 0;
  /** Calls that were executed twice. */
  twice = 0;
  refreshes = 0;
  /** Refresh tokens that were refused though nobody else had used them. */
  falselyRevoked = 0;
  /** Requests or pushes that were served to a session that had expired or was revoked. */
  servedLate = 0;
  eventsPublished = 0;
  eventsHeard = 0;
  gapsTold = 0;
  /** What must not be. */
  readonly violations: string[] = [];

  /** A call that was answered with an error, or not at all. */
  failed(type: string): void {
    this.#failures.set(type, (this.#failures.get(type) ?? 0) + 1);
  }

  get failures(): string {
    return [...this.#failures].map(([type, count]) => `${count} × ${type}`).join(", ");
  }

  /**
   * A refresh token was refused though nobody else had used it: what became of each of its uses, in
   * words.
   */
  refusedToken(uses: readonly string[]): void {
    this.falselyRevoked++;
    this.violation(`a refresh token was refused, ${uses.join("; ")}`);
  }

  /** Remembers the first ones: thousands say no more than some. */
  violation(what: string): void {
    if (this.violations.length < 20) this.violations.push(what);
  }
}

/** A percentile, 0 to 100, of some figures; undefined of none. */
export function percentile(figures: readonly number[], rank: number): number | undefined {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((rank / 100) * sorted.length) - 1)];
}
