import { randomBytes } from "node:crypto";
import type { Logger } from "../../../runtime/logger.js";
import type { RedisKeys } from "../redis-keys.js";
import type { Deadline } from "./deadline.js";
import { type RedisConnection, type RedisExecutor, withDeadline } from "./redis-connection.js";
import { redisScript } from "./redis-script.js";

/** Where a stream stands. */
export interface StreamPosition {
  readonly id: string;
  /** Of the newest entry, one more with each; 0: there was none. */
  readonly sequence: number;
}

/** What a connection has joined. */
export interface Joined {
  /** Changes whenever Redis may have forgotten something. */
  readonly incarnation: string;
  readonly revocations: StreamPosition;
  readonly bus: StreamPosition;
}

/**
 * A server process that wrote nothing here yet starts a new incarnation: it may have lost what the
 * one before acknowledged. `first` is that of the first one in this memory: another one says that
 * all was lost.
 */
const join = redisScript(
  `
redis.call('HSETNX', KEYS[1], 'first', ARGV[3])
local known = redis.call('HMGET', KEYS[1], 'id', 'run', 'revoked', 'bus', 'first')
local id = known[1]
if not id or known[2] ~= ARGV[2] then
  id = ARGV[3]
  redis.call('HSET', KEYS[1], 'id', id, 'run', ARGV[2])
end
local function newest(stream)
  local entries = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  return entries[1] and entries[1][1] or '0-0'
end
return {id, known[3] or '0', newest(KEYS[2]), known[4] or '0', newest(KEYS[3]), known[5]}
`,
  "allow-oom", // three short fields: a node that can't join a full Redis would accept no token
);

/** The nodes that share one Redis and one prefix, through all restarts of it. */
export class RedisDeployment {
  readonly #keys: RedisKeys;
  readonly #log: Pick<Logger, "warn">;
  readonly #restorers: ((redis: RedisExecutor) => Promise<void>)[] = [];
  #incarnation: string | undefined;
  #first: string | undefined;
  #clock: RedisConnection | undefined;

  constructor(keys: RedisKeys, log: Pick<Logger, "warn">) {
    this.#keys = keys;
    this.#log = log;
  }

  /**
   * Redis's clock, in seconds, as the newest connection knows it; undefined: there was none yet.
   */
  now(): number | undefined {
    return this.#clock === undefined ? undefined : this.#clock.now() / 1_000;
  }

  /**
   * Before a connection to a Redis that may have forgotten something is used, this writes back what
   * this node knows.
   */
  onRenewal(restore: (redis: RedisExecutor) => Promise<void>): void {
    this.#restorers.push(restore);
  }

  /** Comes first on every connection. `deadline`: for all of it; default: one for each call. */
  async join(connection: RedisConnection, deadline?: Deadline): Promise<Joined> {
    const { deployment, revocations, bus } = this.#keys;
    const redis = deadline === undefined ? connection : withDeadline(connection, deadline);
    this.#clock = connection;
    const candidate = randomBytes(9).toString("base64url");
    const reply = await redis.run(
      join,
      [deployment, revocations, bus],
      [connection.runId, candidate],
    );
    const [incarnation, revoked, revokedId, sent, sentId, first] = reply as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    if (this.#incarnation !== undefined && this.#incarnation !== incarnation) {
      this.#tellRenewal(this.#first !== first);
      for (const restore of this.#restorers) await restore(redis);
    }
    this.#incarnation = incarnation;
    this.#first = first;
    return {
      incarnation,
      revocations: { id: revokedId, sequence: Number(revoked) },
      bus: { id: sentId, sequence: Number(sent) },
    };
  }

  #tellRenewal(isEmpty: boolean): void {
    if (isEmpty)
      this.#log.warn(
        { event: "redis.emptied" },
        "Redis has lost all: users and logins are gone; the revocations and keys that this node knows are written back",
      );
    else
      this.#log.warn(
        { event: "redis.renewed" },
        "Redis was restarted, and may have lost its last writes: what this node knows is written back",
      );
  }
}
