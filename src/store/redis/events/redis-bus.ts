import type { Position } from "../../../protocol/messages.js";
import type { Bus, BusListener, HistoryOptions, TopicState } from "../../../pubsub/bus.js";
import type { Logger } from "../../../runtime/logger.js";
import { Deadline } from "../connection/deadline.js";
import type { RedisExecutor } from "../connection/redis-connection.js";
import { redisScript } from "../connection/redis-script.js";
import type { RedisKeys } from "../redis-keys.js";
import type { RedisStreamReader } from "./redis-stream-reader.js";

// 24 h without an event or a reader, after which a topic expires
const topicMemory = 86_400_000;
/**
 * Half of {@link topicMemory}, so that a history that begins in one generation expires in the
 * second generation after it at the earliest.
 */
const generation = topicMemory / 2;

/**
 * An epoch names an incarnation of Redis and the generation in which a history began, in half days
 * of Redis's clock. An unknown topic has offset 0 in the current generation, which is not stored:
 * otherwise a peer could fill Redis with invented names. A position is valid for a history if its
 * generation is that of the history or the one before, since an older, expired history of the topic
 * must have begun earlier. Defines `newest`, and `known`, which returns epoch and offset of a
 * topic.
 */
const topicState = `
local incarnation, sent = unpack(redis.call('HMGET', KEYS[1], 'id', 'bus'))
if not incarnation then return redis.error_reply('RENEWED Redis has lost its memory') end
local newest = incarnation .. '.' .. whole(math.floor(now / ${generation}))
local function generationOf(epoch)
  if string.sub(epoch, 1, #incarnation + 1) ~= incarnation .. '.' then return nil end
  return tonumber(string.match(string.sub(epoch, #incarnation + 2), '^%d+$'))
end
local function known(meta)
  local epoch, offset = unpack(redis.call('HMGET', meta, 'epoch', 'offset'))
  if epoch and generationOf(epoch) then return epoch, tonumber(offset) end
end
`;

/**
 * KEYS: deployment, stream, topic, history. ARGV: topic, data, size, ttl, lifetime of the topic,
 * length of the stream.
 */
const publish = redisScript(`${topicState}
local sequence = redis.call('HINCRBY', KEYS[1], 'bus', 1)
local entry = {'s', whole(sequence), 't', ARGV[2], 'd', ARGV[3]}
if #KEYS == 4 then
  local epoch, offset = known(KEYS[3])
  if not epoch then
    epoch, offset = newest, 0
    redis.call('DEL', KEYS[4])
  end
  offset = whole(offset + 1)
  redis.call('HSET', KEYS[3], 'epoch', epoch, 'offset', offset)
  redis.call('PEXPIRE', KEYS[3], ARGV[6])
  redis.call('RPUSH', KEYS[4], whole(now) .. ':' .. ARGV[3])
  redis.call('LTRIM', KEYS[4], -tonumber(ARGV[4]), -1)
  redis.call('PEXPIRE', KEYS[4], ARGV[5] == '0' and ARGV[6] or ARGV[5])
  entry[7], entry[8], entry[9], entry[10] = 'o', offset, 'p', epoch
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[7], '*', unpack(entry))
return sequence
`);

/**
 * KEYS: deployment, topic, history. ARGV: ttl, lifetime of the topic, epoch and offset of the
 * caller or ''.
 */
const read = redisScript(
  `${topicState}
local epoch, offset = known(KEYS[2])
if epoch then redis.call('PEXPIRE', KEYS[2], ARGV[3]) else epoch, offset = newest, 0 end
local function answer(recovered, missed) return {incarnation, epoch, whole(offset), sent or '0', recovered, missed} end
local asked = generationOf(ARGV[4])
local own = generationOf(epoch)
if not asked or asked > own or asked < own - 1 then return answer(0, {}) end
local count = offset - tonumber(ARGV[5])
if count == 0 then return answer(1, {}) end
if count < 0 or count > redis.call('LLEN', KEYS[3]) then return answer(0, {}) end
local missed = redis.call('LRANGE', KEYS[3], -count, -1)
local at = tonumber(string.match(missed[1], '^%d+'))
if ARGV[2] ~= '0' and at + tonumber(ARGV[2]) <= now then return answer(0, {}) end
return answer(1, missed)
`,
  "allow-oom", // writes no new data
);

const send = redisScript(`
if not redis.call('HGET', KEYS[1], 'id') then return redis.error_reply('RENEWED Redis has lost its memory') end
local sequence = redis.call('HINCRBY', KEYS[1], 'bus', 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 's', whole(sequence), 'm', ARGV[2])
return sequence
`);

export interface BusLimits {
  /** Approximate length of the stream. */
  readonly length: number;
  /** Longest wait of one call, milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Carries the events and messages of a deployment to every node in one stream. A script gives each
 * event its offset.
 */
export class RedisBus implements Bus {
  readonly #redis: RedisExecutor;
  readonly #keys: RedisKeys;
  readonly #feed: RedisStreamReader;
  readonly #length: number;
  readonly #timeoutMs: number;
  readonly #log: Pick<Logger, "warn">;
  readonly #listeners = new Set<BusListener>();

  constructor(
    redis: RedisExecutor,
    keys: RedisKeys,
    feed: RedisStreamReader,
    limits: BusLimits,
    log: Pick<Logger, "warn">,
  ) {
    this.#redis = redis;
    this.#keys = keys;
    this.#feed = feed;
    this.#length = limits.length;
    this.#timeoutMs = limits.timeoutMs;
    this.#log = log;
  }

  async publish(topic: string, data: string, history: HistoryOptions | undefined): Promise<void> {
    const { deployment, bus } = this.#keys;
    const keys = [
      deployment,
      bus,
      ...(history === undefined ? [] : [this.#keys.topic(topic), this.#keys.history(topic)]),
    ];
    const { size = 0, ttl = Number.POSITIVE_INFINITY } = history ?? {};
    await this.#redis.run(publish, keys, [
      topic,
      data,
      size,
      redisTtl(ttl),
      memoryOf(ttl),
      this.#length,
    ]);
  }

  async read(
    topic: string,
    { ttl }: HistoryOptions,
    since: Position | undefined,
  ): Promise<TopicState> {
    const keys = [this.#keys.deployment, this.#keys.topic(topic), this.#keys.history(topic)];
    const isPlace = since !== undefined && Number.isSafeInteger(since.offset) && since.offset >= 0;
    const args = [
      redisTtl(ttl),
      memoryOf(ttl),
      isPlace ? since.epoch : "",
      isPlace ? since.offset : "",
    ];
    const deadline = new Deadline(this.#timeoutMs);
    const reply = await this.#redis.run(read, keys, args, deadline);
    const [incarnation, epoch, offsetText, sent, recovered, missed] = reply as [
      string,
      string,
      string,
      string,
      number,
      string[],
    ];
    // so that no event before the read is delivered later
    await this.#feed.whenReached(incarnation, Number(sent), deadline);
    const offset = Number(offsetText);
    const first = offset - missed.length + 1;
    return {
      epoch,
      offset,
      ...(since === undefined ? {} : { recovered: recovered === 1 }),
      missed: missed.map((entry, index) => ({
        offset: first + index,
        data: entry.slice(entry.indexOf(":") + 1),
      })),
    };
  }

  async send(message: string): Promise<void> {
    await this.#redis.run(send, [this.#keys.deployment, this.#keys.bus], [message, this.#length]);
  }

  subscribe(listener: BusListener): () => void {
    this.#listeners.add(listener);
    const release = this.#feed.use();
    return () => {
      if (this.#listeners.delete(listener)) release();
    };
  }

  /** Handles an entry of the stream. */
  heard(fields: ReadonlyMap<string, string>): void {
    const [topic, data, message] = [fields.get("t"), fields.get("d"), fields.get("m")];
    if (message !== undefined) return this.#tell((listener) => listener.message(message));
    const place = placeOf(fields);
    if (topic === undefined || data === undefined || place === undefined || !isJson(data)) {
      return this.#log.warn({ event: "redis.junk" }, "ignoring malformed event in the stream");
    }
    this.#tell((listener) => listener.event({ topic, data, ...place }));
  }

  gap(): void {
    this.#tell((listener) => listener.gap());
  }

  #tell(tell: (listener: BusListener) => void): void {
    for (const listener of this.#listeners) tell(listener);
  }
}

/** In the scripts a ttl of 0 means no time limit. */
function redisTtl(ttl: number): number {
  return ttl === Number.POSITIVE_INFINITY ? 0 : Math.ceil(ttl);
}

function memoryOf(ttl: number): number {
  return Math.max(topicMemory, redisTtl(ttl));
}

/** Returns `undefined` for a malformed position. */
function placeOf(
  fields: ReadonlyMap<string, string>,
): { readonly offset?: number; readonly epoch?: string } | undefined {
  const [offset, epoch] = [fields.get("o"), fields.get("p")];
  if (offset === undefined && epoch === undefined) return {};
  return epoch === undefined || !/^\d{1,16}$/.test(offset ?? "")
    ? undefined
    : { offset: Number(offset), epoch };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
