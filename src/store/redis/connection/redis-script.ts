import { createHash } from "node:crypto";

/**
 * A Lua script: one atomic step. `ARGV[1]` is always two times in milliseconds: when, by Redis's
 * clock, its caller will have given up, and what the caller's wall clock says.
 */
export interface RedisScript {
  readonly text: string;
  /** SHA-1, by which Redis knows it. */
  readonly digest: string;
}

/**
 * A call that was given up must not be done later, when a Redis that hung goes on and reads what
 * waited in its socket: a refresh token consumed then would look stolen when its owner tries again.
 * `now` is in milliseconds.
 *
 * `ahead`, in seconds, is how far the caller's clock is ahead of Redis's: nodes whose clocks are
 * wrong must neither forget what the others still need, nor take for old what just happened. Some
 * seconds are ordinary, and count as none.
 */
const preamble = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deadline, wall = string.match(ARGV[1], '^(%S+) (%S+)$')
if now > tonumber(deadline) then return redis.error_reply('STALE the caller has given up') end
local ahead = (tonumber(wall) - now) / 1000
if math.abs(ahead) < 5 then ahead = 0 end
local function whole(number) return string.format('%.0f', number) end
`;

const scripts: RedisScript[] = [];

/**
 * What a script may do in a Redis that is at its `maxmemory`. By default such a Redis refuses the
 * whole script: without a flag it would only refuse the first command that adds something, and none
 * at all behind one that deletes. `allow-oom`: for what frees memory, or adds none.
 */
export type ScriptFlag = "no-writes" | "allow-oom";

export function redisScript(lua: string, flag?: ScriptFlag): RedisScript {
  const text = `#!lua${flag === undefined ? "" : ` flags=${flag}`}\n${preamble}${lua}`;
  const script = { text, digest: createHash("sha1").update(text).digest("hex") };
  scripts.push(script);
  return script;
}

/**
 * Each connection makes them known before it is used: calls that are made one after the other are
 * then done in that order.
 */
export function allScripts(): readonly RedisScript[] {
  return scripts;
}
