/** What became of the pushes of all connections. */
export interface PushCounts {
  /** Given to a live session's socket, or about to be. */
  sent: number;
  /** Kept for an expired session; released ones are counted as sent too. */
  held: number;
  /** For nobody, or too many to keep. */
  dropped: number;
}
