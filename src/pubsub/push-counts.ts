/** What became of the pushes of all connections. */
export interface PushCounts {
  /** Given to a live session's socket, or about to be. */
  sent: number;
  /** Kept for an expired session; released ones are counted as sent too. */
  held: number;
  /** For nobody. */
  dropped: number;
  /** Held at first, but then there were too many: all of them were dropped, and the gap is told. */
  overflowed: number;
}

/** What became of those who read slowly, on all connections. */
export interface SlowReaderCounts {
  /** More events waited for a subscription than its buffer holds: some were dropped, and the next one says so. */
  gap: number;
  /** The same, where the subscription ends then. */
  ended: number;
}
