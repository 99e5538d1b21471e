import { type RedisAddress, RedisConnection, type RedisExecutor } from "./redis-connection.js";
import type { RedisScript } from "./redis-script.js";
import { asUnavailable, StoreUnavailable, within } from "./store-unavailable.js";

const maxPending = 2_000; // calls that wait for Redis; each for `timeoutMs` at most
const retryAfter = 200; // ms: after a failed attempt, calls are refused at once for so long

/**
 * Commands over one connection, made anew by the next call after it was lost. A call ends within
 * `timeoutMs`: connecting included, and whatever Redis does. A connection that kept a call waiting
 * for so long is given up.
 */
export class RedisClient implements RedisExecutor {
  readonly #address: RedisAddress;
  readonly #timeoutMs: number;
  readonly #prepare: (connection: RedisConnection) => Promise<unknown>;
  #connection: RedisConnection | undefined;
  #opening: Promise<RedisConnection> | undefined;
  #failure: { readonly at: number; readonly error: StoreUnavailable } | undefined;
  #pending = 0;
  #isClosed = false;

  /** `prepare` is done with each connection before it is used. */
  constructor(
    address: RedisAddress,
    timeoutMs: number,
    prepare: (connection: RedisConnection) => Promise<unknown>,
  ) {
    this.#address = address;
    this.#timeoutMs = timeoutMs;
    this.#prepare = prepare;
  }

  /** Longest wait of one call, milliseconds. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  command(...args: readonly string[]): Promise<unknown> {
    return this.commandWithin(this.#timeoutMs, ...args);
  }

  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    return this.runWithin(this.#timeoutMs, script, keys, args);
  }

  /** `timeoutMs`: of this call, milliseconds; at most the link's. */
  commandWithin(timeoutMs: number, ...args: readonly string[]): Promise<unknown> {
    return this.#call(timeoutMs, (connection) => connection.command(...args));
  }

  /** As above. */
  runWithin(
    timeoutMs: number,
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    return this.#call(timeoutMs, (connection, left) => connection.run(script, keys, args, left));
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  async #call(
    timeoutMs: number,
    work: (connection: RedisConnection, left: number) => Promise<unknown>,
  ): Promise<unknown> {
    if (this.#pending >= maxPending)
      throw new StoreUnavailable(`${maxPending} calls wait for Redis already`);
    const startedAt = performance.now();
    let used: RedisConnection | undefined;
    const onConnection = async (): Promise<unknown> => {
      used = this.#connection?.isOpen === true ? this.#connection : await this.#connected();
      return work(used, startedAt + timeoutMs - performance.now());
    };
    this.#pending++;
    try {
      return await within(timeoutMs, onConnection());
    } catch (error) {
      // a caller's haste says nothing about the connection
      if (performance.now() >= startedAt + this.#timeoutMs) used?.close();
      throw asUnavailable(error);
    } finally {
      this.#pending--;
    }
  }

  #connected(): Promise<RedisConnection> {
    if (this.#isClosed) throw new StoreUnavailable("this store was closed");
    if (this.#failure !== undefined && performance.now() - this.#failure.at < retryAfter)
      throw this.#failure.error;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<RedisConnection> {
    try {
      const connection = await RedisConnection.open(this.#address, this.#timeoutMs);
      await this.#prepared(connection);
      this.#connection = connection;
      this.#failure = undefined;
      if (this.#isClosed) connection.close();
      return connection;
    } catch (error) {
      const failure = asUnavailable(error);
      this.#failure = { at: performance.now(), error: failure };
      throw failure;
    }
  }

  async #prepared(connection: RedisConnection): Promise<void> {
    try {
      await within(this.#timeoutMs, this.#prepare(connection));
    } catch (error) {
      connection.close();
      throw error;
    }
  }
}
