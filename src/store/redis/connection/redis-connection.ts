import { createClient } from "@redis/client";
import { Deadline } from "./deadline.js";
import { allScripts, type RedisScript } from "./redis-script.js";
import { asUnavailable, StoreUnavailableError } from "./store-unavailable.js";

/** The only importer of @redis/client. */

export interface RedisAddress {
  /** `redis:`, `rediss:` (TLS), or `unix:` with the path of a socket. */
  readonly url: string;
  /**
   * PEM.
   * @default the machine's authorities, and no certificate of ours
   */
  readonly tls?:
    | { readonly ca?: string; readonly cert?: string; readonly key?: string }
    | undefined;
}

/**
 * Runs commands and scripts. Rejects with {@link StoreUnavailableError}, at the deadline at the latest;
 * a call without one has a deadline of its own.
 */
export interface RedisExecutor {
  command(args: readonly string[], deadline?: Deadline): Promise<unknown>;
  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number)[],
    deadline?: Deadline,
  ): Promise<unknown>;
}

/** The same Redis, with one deadline for all calls together. */
export function withDeadline(redis: RedisExecutor, deadline: Deadline): RedisExecutor {
  return {
    command: (args) => redis.command(args, deadline),
    run: (script, keys, args) => redis.run(script, keys, args, deadline),
  };
}

interface Client {
  connect(): Promise<unknown>;
  sendCommand(args: readonly string[]): Promise<unknown>;
  destroy(): void;
  on(event: "error", listener: (error: Error) => void): unknown;
}

const maxQueued = 5_000; // commands; a link lets fewer wait
/**
 * After these a connection is of no use: the server is a replica by now, still loading, wants a
 * password, or has lost its memory.
 */
const fatalReply = /^(READONLY|LOADING|MASTERDOWN|NOAUTH|WRONGPASS|NOSCRIPT|STALE|RENEWED)\b/;

/** One connection, good until its first failure. Nothing waits for it to come back. */
export class RedisConnection implements RedisExecutor {
  readonly #client: Client;
  readonly #timeoutMs: number;
  /** Redis's clock minus our monotonic one, milliseconds. */
  #clockOffset = 0;
  #runId = "";
  #isOpen = true;

  private constructor(client: Client, timeoutMs: number) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
    client.on("error", () => this.close()); // commands in flight hear of it
  }

  /**
   * Rejects with {@link StoreUnavailableError} when there is no answer within `timeoutMs` (milliseconds).
   */
  static async open(address: RedisAddress, timeoutMs: number): Promise<RedisConnection> {
    const connection = new RedisConnection(clientOf(address, timeoutMs), timeoutMs);
    try {
      await connection.#greet(new Deadline(timeoutMs));
      return connection;
    } catch (error) {
      connection.close();
      throw asUnavailable(error);
    }
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Redis's clock: milliseconds since 1970. */
  now(): number {
    return performance.now() + this.#clockOffset;
  }

  /** Names the server's process: another one may have less in its memory. */
  get runId(): string {
    return this.#runId;
  }

  command(
    args: readonly string[],
    deadline: Deadline = new Deadline(this.#timeoutMs),
  ): Promise<unknown> {
    return this.#send(args, deadline);
  }

  /**
   * What comes after the entries of these ids, streams first; when there is nothing, waits up to
   * `block` milliseconds for it.
   */
  read(count: number, block: number, ...streamsAndIds: readonly string[]): Promise<unknown> {
    const args = [
      "XREAD",
      "COUNT",
      String(count),
      "BLOCK",
      String(block),
      "STREAMS",
      ...streamsAndIds,
    ];
    return this.#send(args, new Deadline(block + this.#timeoutMs));
  }

  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number)[],
    deadline: Deadline = new Deadline(this.#timeoutMs),
  ): Promise<unknown> {
    const givenUpAt = Math.ceil(this.now() + deadline.remaining());
    const rest = [String(keys.length), ...keys, `${givenUpAt} ${Date.now()}`, ...args.map(String)];
    return this.#send(["EVALSHA", script.digest, ...rest], deadline);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#client.destroy();
  }

  /**
   * A server that does not answer a command within the whole of a deadline hangs, or can't be
   * reached: whatever else waits for it waits in vain. That one had little time left says nothing
   * about the connection.
   */
  async #send(args: readonly string[], deadline: Deadline): Promise<unknown> {
    if (!this.#isOpen) throw new StoreUnavailableError("the connection to Redis is closed");
    const isWhole = deadline.remaining() >= this.#timeoutMs;
    try {
      return await deadline.wait(() => this.#client.sendCommand(args));
    } catch (error) {
      const isLate = deadline.remaining() === 0;
      if ((isLate && isWhole) || (error instanceof Error && isFatal(error.message, isLate)))
        this.close();
      throw asUnavailable(error);
    }
  }

  async #greet(deadline: Deadline): Promise<void> {
    await deadline.wait(() => this.#client.connect());
    // not when the answer came: a deadline may be late by the way there, never early
    const askedAt = performance.now();
    const [time, info] = await Promise.all([
      this.command(["TIME"], deadline),
      this.command(["INFO", "server"], deadline),
      ...allScripts().map(({ text }) => this.command(["SCRIPT", "LOAD", text], deadline)),
    ]);
    const [seconds, micros] = time as [string, string];
    this.#clockOffset = Number(seconds) * 1_000 + Number(micros) / 1_000 - askedAt;
    this.#runId = /^run_id:(\S+)/m.exec(String(info))?.[1] ?? "";
  }
}

/**
 * That a script came too late says nothing about the connection if it did; if it did not, one of
 * the clocks was set.
 */
function isFatal(message: string, isLate: boolean): boolean {
  return fatalReply.test(message) && !(isLate && message.startsWith("STALE"));
}

function clientOf({ url, tls }: RedisAddress, timeoutMs: number): Client {
  const path = url.startsWith("unix:") ? url.slice("unix:".length) : undefined;
  const socket = { connectTimeout: timeoutMs, reconnectStrategy: false } as const;
  const common = {
    RESP: 2,
    disableOfflineQueue: true,
    commandsQueueMaxLength: maxQueued,
    disableClientInfo: true,
    maintNotifications: "disabled",
    commandOptions: { timeout: 0 }, // its own ends only what was not sent yet
  } as const;
  const client = createClient(
    path === undefined
      ? {
          ...common,
          url,
          socket: tls === undefined ? socket : { ...socket, ...tls, tls: true as const },
        }
      : { ...common, socket: { ...socket, path, tls: false as const } },
  );
  return {
    connect: () => client.connect(),
    sendCommand: (args) => client.sendCommand([...args]),
    destroy: () => client.destroy(),
    on: (event, listener) => client.on(event, listener),
  };
}

/**
 * Throws `TypeError` for a URL that can't be meant. It never says the URL: with a `/` or `#` in a
 * password that is not encoded, a part of the password stands where the host or the number of the
 * database should.
 */
export function checkRedisUrl(url: string): void {
  if (typeof url !== "string" || !/^(rediss?|unix):/.test(url))
    throw new TypeError("url must begin with redis:, rediss: or unix:");
  if (url.startsWith("unix:") || isWhole(url)) return;
  throw new TypeError(
    "url must be like redis://user:password@host:6379/0, with %2F for /, %40 for @, %23 for # and %3F for ? in the password",
  );
}

function isWhole(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { hostname, pathname, search, hash } = new URL(url);
  return hostname !== "" && /^(\/\d*)?$/.test(pathname) && hash === "" && !search.includes("@");
}
