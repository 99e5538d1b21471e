import type { Position } from "../protocol/messages.js";
import { toPromise } from "../runtime/application-code.js";
import type { Bus, BusListener, HistoryOptions, TopicState } from "./bus.js";
import type { HistoryEntry, HistoryLog, OpenedLog } from "./history-log.js";
import { TopicHistories } from "./topic-histories.js";

interface Pending {
  readonly topic: string;
  readonly data: string;
  readonly history: HistoryOptions;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface LoggedBusPorts {
  /** Monotonic milliseconds. */
  readonly monotonic: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Another name at each call. */
  readonly newEpoch: () => string;
  /** Hears how the log was opened. */
  readonly opened: (log: OpenedLog) => void;
  /** Hears of the first of several failures in a row. */
  readonly failed: (error: unknown) => void;
}

const maxPendingBytes = 67_108_864; // 64 Mi characters of events that wait for the disk, each with:
const overhead = 256; // of one event, however small
const maxBatch = 256; // events written at once

/**
 * The bus of a node that is alone, and whose histories outlive its process. No subscriber learns of
 * an event before the log has it. Events that are published while the log is being written are
 * written together, so that a slow disk costs time and not throughput.
 */
export class LoggedBus implements Bus {
  readonly #log: HistoryLog;
  readonly #ports: LoggedBusPorts;
  readonly #listeners = new Set<BusListener>();
  #opening: Promise<TopicHistories> | undefined;
  #histories: TopicHistories | undefined;
  #isInMemory = false;
  #pending: Pending[] = [];
  #pendingLength = 0;
  #writing: Promise<void> | undefined;
  #hasFailed = false;
  #isClosed = false;

  constructor(log: HistoryLog, ports: LoggedBusPorts) {
    this.#log = log;
    this.#ports = ports;
  }

  publish(topic: string, data: string, history: HistoryOptions | undefined): void | Promise<void> {
    if (history === undefined) return this.#tell((listener) => listener.event({ topic, data }));
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(new Error("the server is closed"));
      const length = lengthOf(topic, data);
      if (this.#pendingLength + length > maxPendingBytes)
        return reject(new Error("too many events wait to be written to the history's file"));
      this.#pending.push({ topic, data, history, resolve, reject });
      this.#pendingLength += length;
      this.#writing ??= this.#writeAll();
    });
  }

  read(
    topic: string,
    history: HistoryOptions,
    since: Position | undefined,
  ): TopicState | Promise<TopicState> {
    if (this.#histories !== undefined) return this.#histories.read(topic, history, since);
    return this.#open().then((histories) => histories.read(topic, history, since));
  }

  send(message: string): void {
    this.#tell((listener) => listener.message(message));
  }

  subscribe(listener: BusListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** As `LocalBus.sweep`. */
  sweep(): void {
    this.#histories?.sweep();
  }

  /** Writes what was published, and closes the log. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
    if (this.#opening === undefined) return;
    await this.#opening.catch(() => {}); // closed before it is open, the log would stay open
    await toPromise(this.#log.close());
  }

  #open(): Promise<TopicHistories> {
    this.#opening ??= this.#read().catch((error: unknown) => {
      this.#opening = undefined; // the next use tries again
      this.#fail(error);
      throw error;
    });
    return this.#opening;
  }

  async #read(): Promise<TopicHistories> {
    if (this.#isClosed) throw new Error("the server is closed");
    const entries: HistoryEntry[] = [];
    let generations = { newest: 0, forgotten: -1 };
    const opening = this.#log.open({
      entry: (entry) => void entries.push(entry),
      generations: (read) => {
        generations = read;
      },
    });
    const opened = await toPromise(opening);
    const { newEpoch, monotonic, now } = this.#ports;
    this.#ports.opened(opened);
    this.#isInMemory = "inUse" in opened;
    const epoch = "inUse" in opened ? newEpoch() : opened.epoch;
    const histories = new TopicHistories(epoch, monotonic);
    histories.restoreGenerations(generations);
    for (const entry of entries) histories.restore(entry, Math.max(now() - entry.at, 0));
    this.#histories = histories;
    return histories;
  }

  async #writeAll(): Promise<void> {
    await undefined; // events of one turn are written together
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, maxBatch);
      for (const { topic, data } of batch) this.#pendingLength -= lengthOf(topic, data);
      try {
        await this.#write(batch, this.#histories ?? (await this.#open()));
      } catch (error) {
        this.#fail(error);
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = undefined;
  }

  async #write(batch: readonly Pending[], histories: TopicHistories): Promise<void> {
    const at = Math.round(this.#ports.now());
    const places = batch.map(({ topic, data, history }) => {
      const { generation, offset } = histories.append(topic, data, history);
      return { topic, data, ...history, generation, offset, at };
    });
    if (!this.#isInMemory) {
      try {
        await toPromise(this.#log.append(places, histories.generations));
      } catch (error) {
        for (const { topic } of places.reverse()) histories.takeBack(topic);
        throw error;
      }
      this.#hasFailed = false;
    }
    for (const [index, place] of places.entries()) {
      const { topic, data, offset } = place;
      histories.tell(topic, place);
      const epoch = histories.epochOf(place);
      this.#tell((listener) => listener.event({ topic, data, offset, epoch }));
      batch[index]?.resolve();
    }
    await this.#compact(histories);
  }

  /** A failure costs nothing but room: the log goes on as it is. */
  async #compact(histories: TopicHistories): Promise<void> {
    if (this.#isInMemory || !this.#log.isLong) return;
    const offset = this.#ports.now() - this.#ports.monotonic();
    try {
      const entries = histories.entries((monotonic) => monotonic + offset);
      await toPromise(this.#log.compact(entries, histories.generations));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!this.#hasFailed) this.#ports.failed(error);
    this.#hasFailed = true;
  }

  #tell(say: (listener: BusListener) => void): void {
    for (const listener of this.#listeners) say(listener);
  }
}

function lengthOf(topic: string, data: string): number {
  return topic.length + data.length + overhead;
}
