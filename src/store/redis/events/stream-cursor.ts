import type { StreamPosition } from "../connection/redis-deployment.js";

/** An entry of a stream, in its place. */
export interface StreamEntry {
  readonly fields: ReadonlyMap<string, string>;
  /** When it was written: milliseconds since 1970 by Redis's clock. */
  readonly at: number;
  /**
   * Entries before it may have been missed: trimmed away before this node read them, or somebody
   * else wrote here.
   */
  readonly isAfterGap: boolean;
}

/** As Redis answers XREAD (RESP 2). */
export type RawEntry = readonly [id: string, fields: readonly string[] | null];

/**
 * Where a node is in a stream. Each entry has a number `s`, one more than that of the entry before:
 * a missing one is noticed.
 */
export class StreamCursor {
  #id: string;
  #sequence: number;

  constructor({ id, sequence }: StreamPosition) {
    this.#id = id;
    this.#sequence = sequence;
  }

  /** What is read next comes after it. */
  get id(): string {
    return this.#id;
  }

  /** Of the newest entry that was read. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Undefined: junk. */
  take([id, raw]: RawEntry): StreamEntry | undefined {
    this.#id = id;
    const fields = new Map<string, string>();
    for (let i = 0; raw !== null && i + 1 < raw.length; i += 2)
      fields.set(raw[i] ?? "", raw[i + 1] ?? "");
    const sequence = Number(fields.get("s") ?? Number.NaN);
    if (!Number.isSafeInteger(sequence) || sequence < 1) return undefined;
    const isAfterGap = sequence !== this.#sequence + 1;
    this.#sequence = sequence;
    // an id is a time, a hyphen and a number
    return { fields, at: Number.parseInt(id, 10), isAfterGap };
  }

  /** Goes on from a sequence whose entries were all trimmed away. */
  skipTo(sequence: number): void {
    this.#sequence = sequence;
  }
}
