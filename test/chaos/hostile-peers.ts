/**
 * Peers that mean harm, each in a process of its own, against a server with a small heap and an
 * embedded issuer; and what a healthy user sees meanwhile.
 */
import { setTimeout as pause } from "node:timers/promises";
import { hasRedis } from "../helpers/redis/redis-server.js";
import { type AttackCounts, HostilePeer } from "../helpers/server/attack.js";
import { ServerProcess } from "../helpers/server/server-process.js";
import { type AttackMeasurements, judgeHostility, lacking } from "./hostile-judge.js";
import type { Hostility, Request } from "./hostilities.js";
import { login, refresh } from "./login.js";
import { password, users } from "./node-settings.js";
import { measuredFolder, measuredRedis } from "./store-size.js";

/** What came of one kind of hostile peer. */
export interface HostileScore {
  readonly what: string;
  readonly asks: Request;
  /** Absent: it was not done, or broke off. */
  readonly measurements?: AttackMeasurements;
  /** Why it was not done. */
  readonly obstacle?: string;
  readonly violations: readonly string[];
}

/** MiB. */
export const hostileHeap = 512;
const attacker = "mallory";
const usernames = [attacker, ...Array.from({ length: users }, (_, n) => `user-${n}`)];
const quietRequests = 2 * users;
const breath = 5; // ms between two requests of the healthy user
const lookInterval = 500; // ms between two looks at the attacker and the store
const maxSeconds = 50; // the issuer's limits count by the minute

/**
 * `seconds`: how long the attack lasts; on a slow machine it goes on until it has had its effect.
 * What fails in between is a violation, too.
 */
export async function suffer(hostility: Hostility, seconds: number): Promise<HostileScore> {
  const { connections, what, asks, store } = hostility;
  const row = { what: `${connections} × ${what}`, asks };
  if (store === "redis" && !hasRedis())
    return { ...row, obstacle: "Redis is missing", violations: [] };
  try {
    const measurements = await attacked(hostility, seconds);
    return { ...row, measurements, violations: judgeHostility(hostility, measurements) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ...row, violations: [`it broke off: ${why}`] };
  }
}

async function attacked(hostility: Hostility, seconds: number): Promise<AttackMeasurements> {
  const { attack, connections, addresses, asks, tokensPerSubject } = hostility;
  await using store = await (hostility.store === "redis" ? measuredRedis() : measuredFolder());
  await using server = await ServerProcess.start({}, hostileHeap, {
    store: store.place,
    usernames,
    password,
    ...(tokensPerSubject === undefined ? {} : { tokensPerSubject }),
  });
  const observer = await server.login();
  const ask = await healthyUser(server, asks);
  const quiet = await askFor(ask, (asked) => asked < quietRequests);
  const { heapUsed: heapBefore } = await server.memory(observer);
  const storeBefore = await store.size();
  const linesBefore = server.log.length;
  const claims = attack === "expiredTokens" ? { iat: 1_000, exp: 2_000 } : { scope: "numbers:add" };
  await using peer = await HostilePeer.start({
    ...{ name: attack, url: server.url, token: server.token(claims), connections },
    ...(addresses === undefined ? {} : { addresses }),
    account: { username: attacker, password },
  });
  const startedAt = performance.now();
  let [counts, mostBytes]: [AttackCounts, number] = [{}, 0];
  const look = async () => {
    counts = await peer.counts();
    mostBytes = Math.max(mostBytes, (await store.size()).bytes);
  };
  const goesOn = () => {
    const elapsed = (performance.now() - startedAt) / 1_000;
    return elapsed < seconds || (elapsed < maxSeconds && lacking(hostility, counts).length > 0);
  };
  const { times, failures } = await askFor(ask, goesOn, look);
  const { heapUsed: heapUnder } = await server.memory(observer);
  // throws when a user of the same address is kept out
  if (attack === "expiredTokens") await loginAsTold(server);
  return {
    quiet: quiet.times,
    times,
    failures: [...quiet.failures, ...failures],
    heapBefore,
    heapUnder,
    storeBefore,
    storeAfter: await store.size(),
    mostBytes,
    counts: await peer.counts(),
    lines: server.log.slice(linesBefore),
    seconds: (performance.now() - startedAt) / 1_000,
    complaints: server.complaints,
  };
}

type Ask = (n: number) => Promise<unknown>;

/** Has logged in, so that the server has made its keys and files. */
async function healthyUser(server: ServerProcess, asks: Request): Promise<Ask> {
  const { url } = server;
  const tokens = [await login(url, 0)];
  if (asks === "login") return (n) => login(url, n);
  if (asks === "refresh") {
    while (tokens.length < users) tokens.push(await login(url, tokens.length));
    return async (n) => {
      const user = n % users;
      tokens[user] = await refresh(url, tokens[user]?.refresh_token ?? "");
    };
  }
  const client = await server.login();
  const lost = client.closed.then(({ code }) => {
    throw new Error(`the session was closed: ${code}`);
  });
  return async () => {
    const { error } = await Promise.race([client.call("ping"), lost]);
    if (error !== undefined) throw new Error(`ping answered ${error.code}`);
  };
}

/** One request after the other, as long as `goesOn`; `look` is called from time to time. */
async function askFor(
  ask: Ask,
  goesOn: (asked: number) => boolean,
  look: () => Promise<void> = async () => {},
): Promise<Pick<AttackMeasurements, "times" | "failures">> {
  const times: number[] = [];
  const failures: string[] = [];
  let lookedAt = performance.now();
  for (let n = 0; goesOn(n); n++) {
    const startedAt = performance.now();
    await ask(n).then(
      () => times.push(performance.now() - startedAt),
      (error: Error) => failures.push(error.message),
    );
    if (performance.now() - lookedAt > lookInterval) {
      await look();
      lookedAt = performance.now();
    }
    await pause(breath);
  }
  return { times, failures };
}

const maxLogins = 5;

/**
 * Logs in as a client does: the peers may have used up what their address has judged in this
 * second (-32029, `retryAfter: 1`), and must not have its upgrades refused for a minute.
 */
async function loginAsTold(server: ServerProcess): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await (await server.login()).close();
    } catch (error) {
      if (tries === maxLogins || !String(error).includes("rate_limited")) throw error;
      await pause(1_000);
    }
  }
}
