import { familyShape, fits } from "../record-shape.js";
import type { FamilyRecord, FamilyRecords, Rotation, RotationOutcome } from "../store.js";
import type { RedisExecutor } from "./connection/redis-connection.js";
import { redisScript } from "./connection/redis-script.js";
import { StoreUnavailableError } from "./connection/store-unavailable.js";
import { parsed } from "./json-hash.js";
import { hashed, type RedisKeys } from "./redis-keys.js";

/**
 * KEYS: family, index, the subject's families. ARGV: its member in both, when it ends, the prefix
 * of the keys of families, how many the subject may have, and what is in it. Of too many those that
 * are revoked go first, then those that end first.
 */
const add = redisScript(`
redis.call('DEL', KEYS[1])
redis.call('SADD', KEYS[3], ARGV[2])
for i = 6, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
local excess = redis.call('SCARD', KEYS[3]) - tonumber(ARGV[5])
if excess <= 0 then return 1 end
local known = {}
for _, member in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  local family = redis.call('HMGET', ARGV[4] .. member, 'revoked', 'idleUntil', 'rotatedAt')
  local order = family[1] == 'false' and tonumber(family[2]) or 0
  if member ~= ARGV[2] then table.insert(known, {member, order, tonumber(family[3] or 0)}) end
end
table.sort(known, function(a, b) return a[2] < b[2] or (a[2] == b[2] and a[3] < b[3]) end)
for i = 1, math.min(excess, #known) do
  local member = known[i][1]
  redis.call('DEL', ARGV[4] .. member)
  redis.call('SREM', KEYS[3], member)
  redis.call('ZREM', KEYS[2], member)
end
return 1
`);

/**
 * Leaves nothing of a family. KEYS: family, index; ARGV[2]: its member there, and in the subject's
 * set.
 */
const forget = `
local function forget(subject, prefix)
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[2])
  redis.call('SREM', prefix .. redis.sha1hex(subject), ARGV[2])
end
`;

/**
 * KEYS: family, index; ARGV: its member there, now, the prefix of the keys of subjects. One that
 * has ended is forgotten.
 */
const read = redisScript(
  `${forget}
local ends = redis.call('HMGET', KEYS[1], 'endsAt', 'idleUntil', 'subject')
if not ends[1] then return {} end
if tonumber(ARGV[3]) - ahead < math.min(tonumber(ends[1]), tonumber(ends[2])) then return redis.call('HGETALL', KEYS[1]) end
forget(ends[3], ARGV[4])
return {}
`,
  "allow-oom",
);

/**
 * The rules of `decideRotation`, which a test holds it to. All numbers are written as they came:
 * Lua would round them. KEYS: family, index; ARGV: its member there, client, presented hash,
 * generation, next hash, now, reuse window, idle until, by whom ('': not known), the prefix of the
 * keys of subjects. A family that has ended is forgotten.
 */
const rotate = redisScript(`${forget}
local fields = {'clientId', 'currentHash', 'previousHash', 'rotatedAt', 'endsAt', 'idleUntil', 'revoked', 'subject'}
local values = redis.call('HMGET', KEYS[1], unpack(fields))
local family = {}
for i, name in ipairs(fields) do family[name] = values[i] end
if not family.clientId then return {'unknown'} end
local presented, at, rotatedAt = ARGV[4], tonumber(ARGV[7]), ARGV[7]
local window, idleUntil = tonumber(ARGV[8]), ARGV[9]
if ahead ~= 0 then
  at = at - ahead
  rotatedAt, idleUntil = whole(at), whole(tonumber(idleUntil) - ahead)
end
if at >= tonumber(family.endsAt) or at >= tonumber(family.idleUntil) then
  forget(family.subject, ARGV[11])
  return {'unknown'}
end
if family.clientId ~= ARGV[3] then return {'unknown'} end
local function answer(outcome) return {outcome, redis.call('HGETALL', KEYS[1])} end
if family.revoked == 'true' then return answer('revoked') end
if presented == family.currentHash then
  if tonumber(idleUntil) > tonumber(family.endsAt) then idleUntil = family.endsAt end
  redis.call('HSET', KEYS[1], 'generation', ARGV[5], 'currentHash', ARGV[6], 'previousHash', presented,
    'rotatedAt', rotatedAt, 'idleUntil', idleUntil)
  if ARGV[10] == '' then redis.call('HDEL', KEYS[1], 'rotatedBy') else redis.call('HSET', KEYS[1], 'rotatedBy', ARGV[10]) end
  redis.call('ZADD', KEYS[2], idleUntil, ARGV[2])
  return answer('rotated')
end
local isLostReply = family.previousHash ~= '' and window > 0 and at < tonumber(family.rotatedAt) + window
if isLostReply and presented == family.previousHash then return answer('repeated') end
redis.call('HSET', KEYS[1], 'revoked', 'true')
return answer('reused')
`);

const revoke = redisScript(
  `
if redis.call('HGET', KEYS[1], 'revoked') ~= 'false' then return 0 end
redis.call('HSET', KEYS[1], 'revoked', 'true')
return 1
`,
  "allow-oom", // a family is ended also where there is no room for another
);

/**
 * Some of them, so that Redis is not held up; those leave the subject's set, in which only these
 * are looked for. Returns how many were there, and were revoked.
 */
const revokeSome = redisScript(
  `
local members, revoked = redis.call('SPOP', KEYS[1], ARGV[3]), 0
for _, member in ipairs(members) do
  if redis.call('HGET', ARGV[2] .. member, 'revoked') == 'false' then
    redis.call('HSET', ARGV[2] .. member, 'revoked', 'true')
    revoked = revoked + 1
  end
end
return {#members, revoked}
`,
  "allow-oom",
);

/**
 * Some of those that ended. ARGV: now, the prefix of their keys, how many at most, the prefix of
 * the keys of subjects.
 */
const sweep = redisScript(
  `
local ended = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ahead == 0 and ARGV[2] or whole(ARGV[2] - ahead), 'LIMIT', 0, ARGV[4])
for _, member in ipairs(ended) do
  local subject = redis.call('HGET', ARGV[3] .. member, 'subject')
  if subject then redis.call('SREM', ARGV[5] .. redis.sha1hex(subject), member) end
  redis.call('DEL', ARGV[3] .. member)
  redis.call('ZREM', KEYS[1], member)
end
return #ended
`,
  "allow-oom",
);

const sweptAtOnce = 500;
const revokedAtOnce = 500;

/**
 * Each family is a hash; a sorted set knows when each will have ended, and a set for each subject
 * which are its.
 */
export class RedisFamilies implements FamilyRecords {
  readonly #redis: RedisExecutor;
  readonly #keys: RedisKeys;

  constructor(redis: RedisExecutor, keys: RedisKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async add(family: FamilyRecord, most = Number.POSITIVE_INFINITY): Promise<void> {
    const endsAt = Math.min(family.endsAt, family.idleUntil);
    const keys = [...this.#keysOf(family.id), this.#keys.familiesOf(family.subject)];
    await this.#redis.run(add, keys, [
      hashed(family.id),
      endsAt,
      this.#keys.familyPrefix,
      Math.min(most, Number.MAX_SAFE_INTEGER),
      ...fieldsOf(family),
    ]);
  }

  async get(id: string, now?: number): Promise<FamilyRecord | undefined> {
    const fields =
      now === undefined
        ? await this.#redis.command(["HGETALL", this.#keys.family(id)])
        : await this.#redis.run(read, this.#keysOf(id), [
            hashed(id),
            now,
            this.#keys.subjectPrefix,
          ]);
    return (fields as string[]).length === 0 ? undefined : familyOf(fields as string[]);
  }

  async rotate(rotation: Rotation): Promise<RotationOutcome> {
    const {
      familyId,
      clientId,
      presentedHash,
      generation,
      nextHash,
      now,
      reuseWindow,
      idleTtl,
      by = "",
    } = rotation;
    const times = [now, reuseWindow, now + idleTtl];
    const args = [
      hashed(familyId),
      clientId,
      presentedHash,
      generation,
      nextHash,
      ...times,
      by,
      this.#keys.subjectPrefix,
    ];
    const [outcome, fields] = (await this.#redis.run(rotate, this.#keysOf(familyId), args)) as [
      RotationOutcome["outcome"],
      string[],
    ];
    return outcome === "unknown" ? { outcome } : { outcome, family: familyOf(fields) };
  }

  async revoke(id: string): Promise<boolean> {
    return (await this.#redis.run(revoke, [this.#keys.family(id)], [])) === 1;
  }

  async revokeSubject(subject: string): Promise<number> {
    const keys = [this.#keys.familiesOf(subject)];
    let all = 0;
    for (;;) {
      const args = [this.#keys.familyPrefix, revokedAtOnce];
      const [found, revoked] = (await this.#redis.run(revokeSome, keys, args)) as [number, number];
      all += revoked;
      if (found < revokedAtOnce) return all;
    }
  }

  async sweep(now: number): Promise<number> {
    const { families, familyPrefix, subjectPrefix } = this.#keys;
    let forgotten = 0;
    for (;;) {
      const swept = Number(
        await this.#redis.run(sweep, [families], [now, familyPrefix, sweptAtOnce, subjectPrefix]),
      );
      forgotten += swept;
      if (swept < sweptAtOnce) return forgotten;
    }
  }

  #keysOf(id: string): readonly string[] {
    return [this.#keys.family(id), this.#keys.families];
  }
}

/** Strings as they are, all else as JSON: so a script can compare and write each member. */
function fieldsOf(family: FamilyRecord): string[] {
  return Object.entries(family).flatMap(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
}

function familyOf(fields: readonly string[]): FamilyRecord {
  const members = new Map<string, unknown>();
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [name = "", text = ""] = [fields[i], fields[i + 1]];
    members.set(name, isText(name) ? text : parsed(text));
  }
  const family: unknown = Object.fromEntries(members);
  if (!fits(family, familyShape))
    throw new StoreUnavailableError("a refresh family in Redis is damaged");
  return family;
}

function isText(name: string): boolean {
  return /^string/.test(new Map<string, string>(Object.entries(familyShape)).get(name) ?? "");
}
