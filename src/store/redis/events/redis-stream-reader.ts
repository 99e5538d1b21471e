import { type Clock, systemClock } from "../../../runtime/clock.js";
import type { Logger } from "../../../runtime/logger.js";
import { Deadline } from "../connection/deadline.js";
import {
  type RedisAddress,
  RedisConnection,
  type RedisExecutor,
} from "../connection/redis-connection.js";
import type { Joined, RedisDeployment } from "../connection/redis-deployment.js";
import { asUnavailable, StoreUnavailableError } from "../connection/store-unavailable.js";
import type { RedisKeys } from "../redis-keys.js";
import { type RawEntry, StreamCursor } from "./stream-cursor.js";

/** Who hears what the streams carry. */
export interface FeedListeners {
  /**
   * Once for each connection, before anything else of it is heard. Writes what could not be written
   * before.
   */
  connected(redis: RedisExecutor): Promise<void>;
  /** Any revocation may have been missed: they are all read again. */
  reloadRevocations(redis: RedisExecutor): Promise<void>;
  /** `at`: when it was announced, milliseconds since 1970 by Redis's clock. */
  revocation(fields: ReadonlyMap<string, string>, at: number): void;
  busEntry(fields: ReadonlyMap<string, string>): void;
  /** Any entry of the bus may have been missed. */
  busGap(): void;
  /** Each time that this node knows all there is. Writes what could not be written before. */
  current(redis: RedisExecutor): Promise<void>;
  /** From time to time. */
  tidy(redis: RedisExecutor): Promise<void>;
}

// ms that a read waits for entries; an answer without any says that nothing was missed
const block = 250;
const freshness = 1_000; // ms for which that counts
const readAtOnce = 200; // entries of each stream
const shortestPause = 100; // ms between two attempts to connect
const longestPause = 1_000; // so that a Redis that is back is found soon
const tidyInterval = 60_000; // 1 min

type Proof = { readonly resolve: () => void; readonly until: (feed: Reached) => boolean };

/** What a turn of the loop has established. */
interface Reached {
  readonly isCurrent: boolean;
  readonly incarnation: string | undefined;
  readonly busSequence: number;
}

/**
 * Reads both streams of the deployment, on a connection of its own, while anybody uses it. After
 * every loss of the connection it goes on where it was, or says what may have been missed.
 * `isCurrent` is only true while Redis said within the last second that this node has read all
 * there is.
 */
export class RedisStreamReader {
  readonly #address: RedisAddress;
  readonly #timeoutMs: number;
  readonly #keys: RedisKeys;
  readonly #deployment: RedisDeployment;
  readonly #log: Pick<Logger, "info" | "warn">;
  readonly #clock: Clock = systemClock;
  readonly #waiting = new Set<Proof>();
  #listeners: FeedListeners | undefined;
  #users = 0;
  #isRunning = false;
  #isClosed = false;
  #connection: RedisConnection | undefined;
  #endPause: () => void = () => {};
  #incarnation: string | undefined;
  #revocations = new StreamCursor({ id: "0-0", sequence: 0 });
  #bus = new StreamCursor({ id: "0-0", sequence: 0 });
  #provenAt = Number.NEGATIVE_INFINITY;
  #tidiedAt = Number.NEGATIVE_INFINITY;
  /** What was last said about writing, while Redis refuses it. */
  #refusal: string | undefined;
  /** While this node is cut off: since when (monotonic), and what was last said about it. */
  #outage: { readonly since: number; readonly why: string } | undefined;

  constructor(
    address: RedisAddress,
    timeoutMs: number,
    keys: RedisKeys,
    deployment: RedisDeployment,
    log: Pick<Logger, "info" | "warn">,
  ) {
    this.#address = address;
    this.#timeoutMs = timeoutMs;
    this.#keys = keys;
    this.#deployment = deployment;
    this.#log = log;
  }

  /** Who hears, once, before the first use. */
  listen(listeners: FeedListeners): void {
    this.#listeners = listeners;
  }

  /** Reads from now on, until the returned function was called as often as this one. */
  use(): () => void {
    this.#users++;
    this.#start();
    let isUsing = true;
    return () => {
      if (!isUsing) return;
      isUsing = false;
      this.#users--;
      if (this.#users === 0) this.#interrupt();
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#interrupt();
  }

  /**
   * Resolves when all that was revoked until a second ago is known. Rejects with
   * {@link StoreUnavailableError} when that can't be had in time.
   */
  whenCurrent(): Promise<void> {
    return this.#when(({ isCurrent }) => isCurrent);
  }

  /**
   * Resolves when all entries of the bus up to this one have been heard, by the deadline. At once
   * when nobody listens.
   */
  async whenReached(incarnation: string, sequence: number, deadline: Deadline): Promise<void> {
    if (this.#users === 0) return;
    await this.#when(
      (reached) => reached.incarnation === incarnation && reached.busSequence >= sequence,
      deadline,
    );
  }

  async #when(
    until: (reached: Reached) => boolean,
    deadline = new Deadline(this.#timeoutMs),
  ): Promise<void> {
    if (until(this.#reached())) return;
    if (this.#users === 0 || this.#isClosed)
      throw new StoreUnavailableError("nothing is read from Redis now");
    const proof: { resolve: () => void; until: (reached: Reached) => boolean } = {
      resolve: () => {},
      until,
    };
    const proven = new Promise<void>((resolve) => {
      proof.resolve = resolve;
    });
    this.#waiting.add(proof);
    try {
      await deadline.wait(() => proven);
    } finally {
      this.#waiting.delete(proof);
    }
  }

  #reached(): Reached {
    const isCurrent =
      this.#connection?.isOpen === true && performance.now() - this.#provenAt < freshness;
    return { isCurrent, incarnation: this.#incarnation, busSequence: this.#bus.sequence };
  }

  #settle(): void {
    const reached = this.#reached();
    for (const proof of this.#waiting) if (proof.until(reached)) proof.resolve();
  }

  get #isWanted(): boolean {
    return this.#users > 0 && !this.#isClosed;
  }

  #start(): void {
    if (this.#isRunning || !this.#isWanted) return;
    this.#isRunning = true;
    this.#run().finally(() => {
      this.#isRunning = false;
      this.#start(); // used again while it came to its end
    });
  }

  #interrupt(): void {
    this.#connection?.close();
    this.#endPause();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    let pause = shortestPause;
    while (this.#isWanted) {
      try {
        await this.#follow(() => {
          pause = shortestPause;
        });
      } catch (error) {
        if (!this.#isWanted) return;
        this.#tellLost(asUnavailable(error));
        await this.#pause(pause);
        pause = Math.min(pause * 2, longestPause);
      }
    }
  }

  /** One connection, until it fails. */
  async #follow(onProven: () => void): Promise<void> {
    const connection = await RedisConnection.open(this.#address, this.#timeoutMs);
    this.#connection = connection;
    try {
      if (!this.#isWanted) return;
      await this.#catchUp(connection);
      const before = this.#provenAt;
      while (this.#isWanted) {
        await this.#turn(connection);
        if (this.#provenAt > before) onProven();
        if (this.#reached().isCurrent) this.#tellFound();
      }
    } finally {
      connection.close();
      this.#provenAt = Number.NEGATIVE_INFINITY;
    }
  }

  async #catchUp(connection: RedisConnection): Promise<void> {
    const askedAt = performance.now();
    const joined = await this.#deployment.join(connection);
    const isNew = joined.incarnation !== this.#incarnation;
    if (isNew) await this.#beginIncarnation(connection, joined);
    await this.#written(connection, this.#listeners?.connected(connection));
    if (isNew) this.#provenAt = askedAt; // else there may be entries that were not read yet
    this.#settle();
  }

  /** What was written back while joining comes by the stream, or is read here. */
  async #beginIncarnation(
    connection: RedisConnection,
    { incarnation, revocations, bus }: Joined,
  ): Promise<void> {
    await this.#listeners?.reloadRevocations(connection);
    this.#revocations = new StreamCursor(revocations);
    this.#bus = new StreamCursor(bus);
    if (this.#incarnation !== undefined) this.#guarded(() => this.#listeners?.busGap());
    this.#incarnation = incarnation;
  }

  async #turn(connection: RedisConnection): Promise<void> {
    const { deployment, revocations, bus } = this.#keys;
    const askedAt = performance.now();
    const ids = [this.#revocations.id, this.#bus.id];
    const [state, streams] = await Promise.all([
      // answered before the read, which may wait
      connection.command(["HMGET", deployment, "id", "revoked", "bus"]),
      connection.read(readAtOnce, block, revocations, bus, ...ids),
    ]);
    const [incarnation, revoked, sent] = state as [string | null, string | null, string | null];
    if (incarnation !== this.#incarnation) throw new StoreUnavailableError("Redis was emptied");
    const entries = new Map(streams as [string, RawEntry[]][] | null);
    await this.#readRevocations(connection, entries.get(revocations) ?? [], Number(revoked ?? 0));
    this.#readBus(entries.get(bus) ?? [], Number(sent ?? 0));
    if (this.#revocations.sequence >= Number(revoked ?? 0)) this.#provenAt = askedAt;
    this.#settle();
    await this.#written(connection, this.#listeners?.current(connection));
    if (askedAt - this.#tidiedAt < tidyInterval) return;
    this.#tidiedAt = askedAt;
    await this.#listeners?.tidy(connection);
  }

  async #readRevocations(
    connection: RedisConnection,
    entries: readonly RawEntry[],
    newest: number,
  ): Promise<void> {
    let isMissing = entries.length === 0 && newest > this.#revocations.sequence;
    for (const raw of entries) {
      const entry = this.#revocations.take(raw);
      if (entry === undefined) this.#tellJunk();
      else this.#guarded(() => this.#listeners?.revocation(entry.fields, entry.at));
      isMissing ||= entry?.isAfterGap === true;
    }
    if (!isMissing) return;
    await this.#listeners?.reloadRevocations(connection);
    if (entries.length === 0) this.#revocations.skipTo(newest);
  }

  #readBus(entries: readonly RawEntry[], newest: number): void {
    for (const raw of entries) {
      const entry = this.#bus.take(raw);
      if (entry?.isAfterGap === true) this.#guarded(() => this.#listeners?.busGap());
      if (entry === undefined) this.#tellJunk();
      else this.#guarded(() => this.#listeners?.busEntry(entry.fields));
    }
    if (entries.length > 0 || newest <= this.#bus.sequence) return;
    this.#bus.skipTo(newest);
    this.#guarded(() => this.#listeners?.busGap());
  }

  /**
   * Keeps reading from a Redis that answers but refuses writes (full memory, a full disk): the
   * refused writes are repeated later.
   */
  async #written(connection: RedisConnection, writing: Promise<void> | undefined): Promise<void> {
    try {
      await writing;
      this.#refusal = undefined;
    } catch (error) {
      const err = asUnavailable(error);
      if (!connection.isOpen) throw err;
      if (this.#refusal !== err.message)
        this.#log.warn(
          { event: "redis.refused", err },
          "Redis refuses revocations that wait to be written",
        );
      this.#refusal = err.message;
    }
  }

  /**
   * Not at every attempt: an outage lasts. But what stands in the way may become something else.
   */
  #tellLost(err: StoreUnavailableError): void {
    const isNews = this.#outage?.why !== err.message;
    this.#outage = { since: this.#outage?.since ?? performance.now(), why: err.message };
    if (isNews)
      this.#log.warn(
        { event: "redis.cut_off", err },
        "cut off from Redis: no token is accepted until it is back",
      );
  }

  #tellFound(): void {
    if (this.#outage === undefined) return;
    const seconds = Math.round((performance.now() - this.#outage.since) / 1_000);
    this.#outage = undefined;
    this.#log.info(
      { event: "redis.back", seconds },
      "Redis is back, and all is known that was revoked: tokens are accepted again",
    );
  }

  #tellJunk(): void {
    this.#log.warn({ event: "redis.junk" }, "an entry of a stream in Redis is not ours: skipped");
  }

  /** What a listener throws ends nothing here. */
  #guarded(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#log.warn({ event: "redis.listener_failed", err: error }, "a listener failed");
    }
  }

  #pause(delay: number): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.#clock.after(delay, resolve);
      this.#endPause = () => {
        stop();
        resolve();
      };
    });
  }
}
