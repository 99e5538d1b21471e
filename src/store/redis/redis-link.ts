import { type RedisAddress, RedisConnection, type RedisRunner } from "./redis-connection.js";
import type { RedisScript } from "./redis-script.js";
import { asUnavailable, StoreUnavailable, within } from "./store-unavailable.js";

const mostPending = 2_000; // calls that wait for Redis; each for no longer than the patience
const retryAfter = 200; // ms: after a failed attempt, calls are refused at once for so long

/**
 * Commands over one connection, made anew by the next call after it was lost. A call ends within the patience: connecting included,
 * and whatever Redis does. A connection that kept a call waiting for so long is given up.
 */
export class RedisLink implements RedisRunner {
  readonly #address: RedisAddress;
  readonly #patience: number;
  readonly #prepare: (connection: RedisConnection) => Promise<unknown>;
  #connection: RedisConnection | undefined;
  #opening: Promise<RedisConnection> | undefined;
  #failure: { readonly at: number; readonly error: StoreUnavailable } | undefined;
  #pending = 0;
  #isClosed = false;

  /** `prepare` is done with each connection before it is used. */
  constructor(address: RedisAddress, patience: number, prepare: (connection: RedisConnection) => Promise<unknown>) {
    this.#address = address;
    this.#patience = patience;
    this.#prepare = prepare;
  }

  command(...args: readonly string[]): Promise<unknown> {
    return this.#call((connection) => connection.command(...args));
  }

  run(script: RedisScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#call((connection, patience) => connection.run(script, keys, args, patience));
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  async #call(work: (connection: RedisConnection, patience: number) => Promise<unknown>): Promise<unknown> {
    if (this.#pending >= mostPending) throw new StoreUnavailable(`${mostPending} calls wait for Redis already`);
    const endsAt = performance.now() + this.#patience;
    let used: RedisConnection | undefined;
    const onConnection = async (): Promise<unknown> => {
      used = this.#connection?.isOpen === true ? this.#connection : await this.#connected();
      return work(used, endsAt - performance.now());
    };
    this.#pending++;
    try {
      return await within(this.#patience, onConnection());
    } catch (error) {
      if (performance.now() >= endsAt) used?.close();
      throw asUnavailable(error);
    } finally {
      this.#pending--;
    }
  }

  #connected(): Promise<RedisConnection> {
    if (this.#isClosed) throw new StoreUnavailable("this store was closed");
    if (this.#failure !== undefined && performance.now() - this.#failure.at < retryAfter) throw this.#failure.error;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<RedisConnection> {
    try {
      const connection = await RedisConnection.open(this.#address, this.#patience);
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
      await within(this.#patience, this.#prepare(connection));
    } catch (error) {
      connection.close();
      throw error;
    }
  }
}
