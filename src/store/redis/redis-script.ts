import { createHash } from "node:crypto";

/** A Lua script: one atomic step. `ARGV[1]` is always the time, by Redis's clock, after which its caller has given up. */
export interface RedisScript {
  readonly text: string;
  /** SHA-1, by which Redis knows it. */
  readonly digest: string;
}

/**
 * A call that was given up must not be done later, when a Redis that hung goes on and reads what waited in its socket: a refresh token
 * consumed then would look stolen when its owner tries again. `now` is in milliseconds.
 */
const preamble = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[1]) then return redis.error_reply('STALE the caller has given up') end
local function whole(number) return string.format('%.0f', number) end
`;

const scripts: RedisScript[] = [];

export function redisScript(lua: string): RedisScript {
  const text = preamble + lua;
  const script = { text, digest: createHash("sha1").update(text).digest("hex") };
  scripts.push(script);
  return script;
}

/** Each connection makes them known before it is used: calls that are made one after the other are then done in that order. */
export function allScripts(): readonly RedisScript[] {
  return scripts;
}
