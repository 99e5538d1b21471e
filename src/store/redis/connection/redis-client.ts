import { Deadline } from "./deadline.js";
import { type RedisAddress, RedisConnection, type RedisExecutor } from "./redis-connection.js";
import type { RedisScript } from "./redis-script.js";
import { asUnavailable, StoreUnavailableError } from "./store-unavailable.js";

const maxPending = 2_000; // calls that wait for Redis; each for `timeoutMs` at most
const retryAfter = 200; // ms: after a failed attempt, calls are refused at once for so long

/**
 * Commands over one connection, made anew by the next call after it was lost. A call without a
 * deadline of its own ends within `timeoutMs`: connecting included, and whatever Redis does.
 */
export class RedisClient implements RedisExecutor {
  readonly #address: RedisAddress;
  readonly #timeoutMs: number;
  readonly #prepare: (connection: RedisConnection, deadline: Deadline) => Promise<unknown>;
  #connection: RedisConnection | undefined;
  #opening: Promise<RedisConnection> | undefined;
  #failure: { readonly at: number; readonly error: StoreUnavailableError } | undefined;
  #pending = 0;
  #isClosed = false;

  /** `prepare` is done with each connection before it is used. */
  constructor(
    address: RedisAddress,
    timeoutMs: number,
    prepare: (connection: RedisConnection, deadline: Deadline) => Promise<unknown>,
  ) {
    this.#address = address;
    this.#timeoutMs = timeoutMs;
    this.#prepare = prepare;
  }

  command(
    args: readonly string[],
    deadline: Deadline = new Deadline(this.#timeoutMs),
  ): Promise<unknown> {
    return this.#call(deadline, (connection) => connection.command(args, deadline));
  }

  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number)[],
    deadline: Deadline = new Deadline(this.#timeoutMs),
  ): Promise<unknown> {
    return this.#call(deadline, (connection) => connection.run(script, keys, args, deadline));
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  async #call(
    deadline: Deadline,
    work: (connection: RedisConnection) => Promise<unknown>,
  ): Promise<unknown> {
    if (this.#pending >= maxPending)
      throw new StoreUnavailableError(`${maxPending} calls wait for Redis already`);
    this.#pending++;
    try {
      // no await with a connection at hand: calls reach Redis in the order in which they are made
      return await work(
        this.#connection?.isOpen === true
          ? this.#connection
          : await deadline.wait(() => this.#connected()),
      );
    } finally {
      this.#pending--;
    }
  }

  async #connected(): Promise<RedisConnection> {
    if (this.#isClosed) throw new StoreUnavailableError("this store was closed");
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
      await this.#prepareOrClose(connection);
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

  async #prepareOrClose(connection: RedisConnection): Promise<void> {
    try {
      await this.#prepare(connection, new Deadline(this.#timeoutMs));
    } catch (error) {
      connection.close();
      throw error;
    }
  }
}
