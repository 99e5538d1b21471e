import type {
  Revocation,
  RevocationListener,
  RevocationRecords,
} from "../../auth/revocation/revocation.js";
import { covers, RevocationList, targetOf, wider } from "../../auth/revocation/revocation-list.js";
import type { Logger } from "../../runtime/logger.js";
import type { RedisExecutor } from "./connection/redis-connection.js";
import { redisScript } from "./connection/redis-script.js";
import { StoreUnavailableError } from "./connection/store-unavailable.js";
import type { RedisStreamReader } from "./events/redis-stream-reader.js";
import { parsed } from "./json-hash.js";
import { hashed, type RedisKeys } from "./redis-keys.js";

/**
 * Compare-and-set of the revocation of one target, which is then announced to all nodes. The last
 * of KEYS is the set with the fields of a session's tokens. ARGV: field, value read, value to
 * write, until, length of the stream, and `token` (of a session), `session` or ''. Revoking a
 * session removes the revocations of its tokens.
 */
const replace = redisScript(`
if not redis.call('HGET', KEYS[1], 'id') then return redis.error_reply('RENEWED Redis has lost its memory') end
if (redis.call('HGET', KEYS[2], ARGV[2]) or '') ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
if ARGV[5] == '' then redis.call('ZREM', KEYS[3], ARGV[2]) else redis.call('ZADD', KEYS[3], ARGV[5], ARGV[2]) end
local sequence = redis.call('HINCRBY', KEYS[1], 'revoked', 1)
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[6], '*', 's', whole(sequence), 'r', ARGV[4])
if ARGV[7] == 'token' then
  redis.call('SADD', KEYS[5], ARGV[2])
  redis.call('EXPIRE', KEYS[5], 3600)
elseif ARGV[7] == 'session' then
  for _, token in ipairs(redis.call('SMEMBERS', KEYS[5])) do
    local ends = redis.call('ZSCORE', KEYS[3], token)
    if ARGV[5] == '' or (ends and tonumber(ends) <= tonumber(ARGV[5])) then
      redis.call('HDEL', KEYS[2], token)
      redis.call('ZREM', KEYS[3], token)
      redis.call('SREM', KEYS[5], token)
    end
  end
end
return 1
`);

const sweep = redisScript(
  `
local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ahead == 0 and ARGV[2] or whole(ARGV[2] - ahead), 'LIMIT', 0, ARGV[3])
for _, member in ipairs(ended) do
  redis.call('HDEL', KEYS[1], member)
  redis.call('ZREM', KEYS[2], member)
end
return #ended
`,
  "allow-oom",
);

const sweptAtOnce = 500;
const readAtOnce = 500;
const writtenAtOnce = 50;
const streamLength = 10_000; // a node that has missed more entries reads all revocations
const maxTries = 100;
const maxUnsaved = 10_000;

/**
 * Stores one record per revoked target until it expires, and announces each change in a stream.
 * Keeps a copy of all records in this process, to notify listeners once per revocation and to
 * restore a Redis that has lost its data.
 */
export class RedisRevocations implements RevocationRecords {
  readonly #redis: RedisExecutor;
  readonly #keys: RedisKeys;
  readonly #feed: RedisStreamReader;
  readonly #log: Pick<Logger, "warn">;
  readonly #redisNow: () => number | undefined;
  readonly #known = new RevocationList();
  /**
   * Revocations whose write failed. The caller has received the error and may not retry, so they
   * are written once Redis is available again.
   */
  readonly #unsaved = new Map<string, Revocation>();
  readonly #listeners = new Set<RevocationListener>();

  /**
   * @param redisNow Redis's clock, in seconds. A revocation is kept as long as this clock requires,
   * even if this node's clock is ahead.
   */
  constructor(
    redis: RedisExecutor,
    keys: RedisKeys,
    feed: RedisStreamReader,
    log: Pick<Logger, "warn">,
    redisNow: () => number | undefined,
  ) {
    this.#redis = redis;
    this.#keys = keys;
    this.#feed = feed;
    this.#log = log;
    this.#redisNow = redisNow;
  }

  add(revocation: Revocation): Promise<void> {
    return this.#add(this.#redis, revocation);
  }

  async list(now: number): Promise<readonly Revocation[]> {
    return this.#list(this.#redis, now);
  }

  /** Returns the same records over another executor for the same Redis. */
  over(redis: RedisExecutor): RevocationRecords {
    return {
      add: (revocation) => this.#add(redis, revocation),
      list: (now) => this.#list(redis, now),
      subscribe: (listener) => this.subscribe(listener),
      now: () => this.now(),
      whenCurrent: () => this.whenCurrent(),
    };
  }

  async #add(redis: RedisExecutor, revocation: Revocation): Promise<void> {
    try {
      await this.#write(redis, revocation);
    } catch (error) {
      if (this.#unsaved.size < maxUnsaved) this.#unsaved.set(targetOf(revocation), revocation);
      throw error;
    }
    this.#learn(revocation);
  }

  async #list(redis: RedisExecutor, now: number): Promise<readonly Revocation[]> {
    await this.tidy(redis, now);
    const standing: Revocation[] = [];
    // no filter by this node's clock, which may be wrong: `tidy` has removed expired records
    await this.#each(redis, (revocation) => standing.push(revocation));
    for (const revocation of standing) this.#learn(revocation);
    return standing;
  }

  subscribe(listener: RevocationListener): () => void {
    // one function may subscribe twice
    const own: RevocationListener = (revocation, announcedAt) => listener(revocation, announcedAt);
    this.#listeners.add(own);
    const release = this.#feed.use();
    return () => {
      if (this.#listeners.delete(own)) release();
    };
  }

  now(): number | undefined {
    return this.#redisNow();
  }

  whenCurrent(): Promise<void> {
    return this.#feed.whenCurrent();
  }

  /** Handles an entry of the stream, written at `at` by Redis's clock. */
  heard(text: string, at: number): void {
    const revocation = revocationOf(text);
    if (revocation === undefined)
      this.#log.warn({ event: "redis.junk" }, "ignoring malformed revocation in the stream");
    else this.#learn(revocation, at);
  }

  /** Reads all revocations, since stream entries may have been missed. */
  async reload(redis: RedisExecutor): Promise<void> {
    await this.#each(redis, (revocation) => this.#learn(revocation));
  }

  /** Writes all revocations that this node knows to a Redis that has lost its data. */
  restore(redis: RedisExecutor, now: number): Promise<void> {
    return this.#writeAll(redis, this.#known.values(), now);
  }

  async saveUnsaved(redis: RedisExecutor, now: number): Promise<void> {
    if (this.#unsaved.size === 0) return;
    const unsaved = [...this.#unsaved];
    await this.#writeAll(
      redis,
      unsaved.map(([, revocation]) => revocation),
      now,
    );
    for (const [target, revocation] of unsaved)
      if (this.#unsaved.get(target) === revocation) this.#unsaved.delete(target);
  }

  /** Removes expired revocations. */
  async tidy(redis: RedisExecutor, ownNow: number): Promise<void> {
    const now = this.#earlier(ownNow);
    this.#known.sweep(now);
    const { revoked, revokedUntil } = this.#keys;
    while (
      Number(await redis.run(sweep, [revoked, revokedUntil], [now, sweptAtOnce])) === sweptAtOnce
    );
  }

  #earlier(now: number): number {
    return Math.min(now, this.#redisNow() ?? now);
  }

  async #writeAll(
    redis: RedisExecutor,
    revocations: readonly Revocation[],
    ownNow: number,
  ): Promise<void> {
    const now = this.#earlier(ownNow);
    const standing = revocations.filter((revocation) => !hasEnded(revocation, now));
    for (let from = 0; from < standing.length; from += writtenAtOnce) {
      await Promise.all(
        standing
          .slice(from, from + writtenAtOnce)
          .map((revocation) => this.#write(redis, revocation)),
      );
    }
  }

  /** Merges a revocation into the stored record, and retries after a concurrent change. */
  async #write(redis: RedisExecutor, revocation: Revocation): Promise<void> {
    const { deployment, revoked, revokedUntil, revocations } = this.#keys;
    const field = hashed(targetOf(revocation));
    const { issuer, sessionId = revocation.tokenOf } = revocation;
    const session =
      sessionId === undefined
        ? field
        : hashed(targetOf({ ...(issuer === undefined ? {} : { issuer }), sessionId }));
    for (let tries = 0; tries < maxTries; tries++) {
      const read = (await redis.command(["HMGET", revoked, field, session])) as (string | null)[];
      const [known, sessions] = read.map((text) => revocationOf(text ?? ""));
      if ([known, sessions].some((one) => one !== undefined && covers(one, revocation))) return;
      const whole = known === undefined ? revocation : wider(known, revocation);
      const keys = [deployment, revoked, revokedUntil, revocations, this.#keys.tokensOf(session)];
      const kind =
        sessionId === undefined || whole.enforceAt !== undefined
          ? ""
          : session === field
            ? "session"
            : "token";
      const args = [
        field,
        read[0] ?? "",
        JSON.stringify(whole),
        whole.until ?? "",
        streamLength,
        kind,
      ];
      if ((await redis.run(replace, keys, args)) === 1) return;
    }
    throw new StoreUnavailableError(
      `${maxTries} concurrent revocations of the same target; retry later`,
    );
  }

  async #each(redis: RedisExecutor, take: (revocation: Revocation) => void): Promise<void> {
    let cursor = "0";
    do {
      const reply = await redis.command([
        "HSCAN",
        this.#keys.revoked,
        cursor,
        "COUNT",
        String(readAtOnce),
      ]);
      const [next, fields] = reply as [string, string[]];
      for (let i = 1; i < fields.length; i += 2) {
        const revocation = revocationOf(fields[i] ?? "");
        if (revocation === undefined)
          this.#log.warn({ event: "redis.junk" }, "ignoring malformed revocation record");
        else take(revocation);
      }
      cursor = next;
    } while (cursor !== "0");
  }

  #learn(revocation: Revocation, announcedAt?: number): void {
    if (!this.#known.add(revocation)) return;
    for (const listener of this.#listeners) listener(revocation, announcedAt);
  }
}

function hasEnded({ until }: Revocation, now: number): boolean {
  return until !== undefined && until <= now;
}

const texts = ["issuer", "jti", "sessionId", "subject", "tokenOf", "reason"] as const;
const numbers = ["issuedBefore", "enforceAt", "until"] as const;

/** Parses a revocation. Returns `undefined` for a malformed one. */
function revocationOf(text: string): Revocation | undefined {
  const value = text === "" ? undefined : parsed(text);
  if (typeof value !== "object" || value === null) return undefined;
  const members = new Map<string, unknown>(Object.entries(value));
  const isTyped = (names: readonly string[], type: string): boolean =>
    names.every((name) => !members.has(name) || typeof members.get(name) === type);
  const targets = ["jti", "sessionId", "subject"].filter((name) => members.has(name));
  if (targets.length !== 1 || !isTyped(texts, "string") || !isTyped(numbers, "number"))
    return undefined;
  return Object.fromEntries(
    [...texts, ...numbers].flatMap((name) =>
      members.has(name) ? [[name, members.get(name)]] : [],
    ),
  );
}
