/** One event of a history, or without `data` only the place of a topic, as a log keeps it. */
export interface HistoryEntry {
  /** The key of the topic on the bus. */
  readonly topic: string;
  /** The event's offset; without `data` that of the topic's newest event. */
  readonly offset: number;
  /** The generation in which the topic's history began. */
  readonly generation: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Maximum number of events of the topic. */
  readonly size: number;
  /** Milliseconds for which the topic keeps an event. */
  readonly ttl: number;
  /** JSON. */
  readonly data?: string;
}

/** The generations of a log's histories; see `TopicHistories`. */
export interface Generations {
  /** The current generation. */
  readonly newest: number;
  /** The newest generation of which a topic was forgotten; -1 before the first. */
  readonly forgotten: number;
}

/** What a log says about itself when it is opened. */
export type OpenedLog =
  | {
      /** Names the histories of the log. */
      readonly epoch: string;
      /** Why the log begins anew, if it had something before that cannot be used. */
      readonly renewed?: string;
    }
  /** Another server has the log, and it must not be used. */
  | { readonly inUse: string };

/** Receives what a log has kept, in order. */
export interface HistoryReader {
  /** Receives an event, or the place of a topic. */
  entry(entry: HistoryEntry): void;
  /** Receives the generations, before any entry. */
  generations(generations: Generations): void;
}

/**
 * Keeps the histories of a single node's topics beyond the end of its process. What `append` has
 * resolved for is there after a crash of the process. After a crash of the machine the log is whole
 * or begins anew, with another epoch: it never has only a part of what was appended.
 */
export interface HistoryLog {
  /**
   * Opens the log, and reads what it has kept. Rejects if it cannot be read; then it may be opened
   * again.
   */
  open(reader: HistoryReader): Promise<OpenedLog>;
  /** Appends all entries, or rejects and has appended none. */
  append(entries: readonly HistoryEntry[], generations: Generations): Promise<void>;
  /** Whether the log has grown so much that it should be compacted. */
  readonly isLong: boolean;
  /** Replaces the content of the log, at once for every reader. */
  compact(entries: Iterable<HistoryEntry>, generations: Generations): Promise<void>;
  /** Closes the log in order, so that it goes on after a restart of the machine too. */
  close(): Promise<void>;
}
