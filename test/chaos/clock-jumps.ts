import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { RedisServer } from "../helpers/redis/redis-server.js";
import { RawClient } from "../helpers/server/raw-client.js";
import type { Fault } from "./fault.js";
import { Fleet } from "./fleet.js";
import { login, refresh, revoke } from "./login.js";
import type { NodeProcess } from "./node-process.js";
import { refusedBy } from "./redis-faults.js";
import type { Tally } from "./tally.js";

const library = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
  .map((platform) => `/usr/lib/${platform}/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path));

const tokenLife = 4_000; // ms
const hour = 3_600;
const afterExpiry = 1_000; // ms for which somebody goes on asking
const expired = new Set([-32001, -32002]);

/**
 * A wall clock that can be set while the process runs: the file says by how many seconds it is off.
 * The monotonic clock is left alone.
 */
class FalseClock {
  readonly #file: string;

  constructor(folder: string) {
    this.#file = join(folder, "clock");
  }

  get env(): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: library ?? "",
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
  }

  jump(seconds: number): Promise<void> {
    return writeFile(this.#file, `${seconds < 0 ? "" : "+"}${seconds}s\n`);
  }
}

/**
 * One node's clock is wrong by an hour, while the other's is right. What is late is judged by the
 * clock of this process.
 */
export const clockJumps: Fault = {
  name: "Wall clock of one node jumps by an hour, back and forth",
  obstacle: () => (library === undefined ? "libfaketime" : undefined),
  async run({ times }, tally) {
    const redis = await RedisServer.start();
    const folder = await mkdtemp(join(tmpdir(), "jotwire-clock-"));
    try {
      const clock = new FalseClock(folder);
      await clock.jump(0);
      await using fleet = await Fleet.start({ nodes: 1, redisUrl: redis.url, tokenTtl: tokenLife });
      const [right] = fleet.nodes as [NodeProcess];
      const wrong = await fleet.add({ env: clock.env }, { tokenTtl: 120_000 });
      const rounds = Math.ceil(times / 5); // each waits for tokens to expire
      for (let n = 0; n < rounds; n++) {
        for (const seconds of [-hour, hour])
          await jump({ right, wrong, clock, seconds, fleet, tally });
      }
      return `${rounds} times to each side, 1 node of 2`;
    } finally {
      await redis.stop();
      await rm(folder, { recursive: true, force: true });
    }
  },
};

interface Jump {
  readonly right: NodeProcess;
  readonly wrong: NodeProcess;
  readonly clock: FalseClock;
  readonly seconds: number;
  readonly fleet: Fleet;
  readonly tally: Tally;
}

async function jump({ right, wrong, clock, seconds, fleet, tally }: Jump): Promise<void> {
  const revoked = await login(wrong.url, 0); // whose tokens live longer than this takes
  await revoke(right.url, revoked.refresh_token);
  const family = await login(right.url, 1);
  const tokens = await login(right.url, 0);
  const client = await RawClient.connect(wrong.url);
  const { error } = await client.authenticate(tokens.access_token);
  if (error !== undefined)
    return tally.violation(`a good token was refused before the jump: ${error.code}`);
  await client.call("ticks");
  await clock.jump(seconds);
  await askOn(client, expiryOf(tokens.access_token), right, tally);
  await client.close();
  if (seconds < 0) await refusesExpired(wrong, tokens.access_token, tally);
  await repeatElsewhere(right, wrong, family.refresh_token, tally);
  // what it forgets when it starts with that clock must not be forgotten by the others
  await wrong.stop();
  await wrong.restart();
  await clock.jump(0);
  const jumpedBackAt = performance.now();
  const fresh = await fleet.add(); // knows only what is in the store
  for (const node of [right, fresh, wrong]) await refusedBy(node, [revoked.access_token], tally);
  fleet.nodes.pop();
  await fresh.kill();
  await takesAgain(wrong, tally);
  tally.recoveries.push(performance.now() - jumpedBackAt);
}

/**
 * Calls, until some time after the expiry: what is sent later than that, and what is published
 * later, must not be served.
 */
async function askOn(
  client: RawClient,
  endsAt: number,
  publisher: NodeProcess,
  tally: Tally,
): Promise<void> {
  client.socket.on("message", (data) => {
    const { method, params } = JSON.parse(String(data)) as {
      method?: string;
      params?: { data: { at: number } };
    };
    if (method !== "subscription.event" || params === undefined) return;
    tally.eventsHeard++;
    if (params.data.at >= endsAt) late("an event", tally);
  });
  for (
    let n = 0;
    Date.now() < endsAt + afterExpiry && client.socket.readyState === client.socket.OPEN;
    n++
  ) {
    const sentAt = Date.now();
    const { error } = await Promise.race([
      client.call("record", { id: `j${sentAt}-${n}`, work: 0 }),
      client.closed.then(() => ({ error: { code: -32001 } })),
    ]);
    if (error === undefined && sentAt >= endsAt) late("a call", tally);
    if (error === undefined) tally.answered++;
    else if (!expired.has(error.code)) tally.failed(String(error.code));
    await publisher.publish(n);
    await pause(25);
  }
}

function late(what: string, tally: Tally): void {
  tally.servedLate++;
  tally.violation(`${what} was served after the session had expired`);
}

/** By its clock the token is good for an hour yet; but it says that it was made in the future. */
async function refusesExpired(node: NodeProcess, token: string, tally: Tally): Promise<void> {
  const client = await RawClient.connect(node.url);
  if ((await client.authenticate(token)).error === undefined) late("a new session", tally);
  await client.close();
}

/**
 * The answer to a refresh is lost, and the client tries again at the other node, whose clock is
 * wrong: that is no theft.
 */
async function repeatElsewhere(
  right: NodeProcess,
  wrong: NodeProcess,
  token: string,
  tally: Tally,
): Promise<void> {
  await refresh(right.url, token);
  const again = await refresh(wrong.url, token).catch(() => undefined);
  if (again === undefined) tally.falselyRevoked++;
}

async function takesAgain(node: NodeProcess, tally: Tally): Promise<void> {
  const client = await RawClient.connect(node.url);
  const { access_token: token } = await login(node.url, 2);
  const { error } = await client.authenticate(token);
  if (error !== undefined)
    tally.violation(`a node whose clock is right again refuses a good token: ${error.code}`);
  await client.close();
}

/** Milliseconds since 1970. */
function expiryOf(token: string): number {
  const { exp } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as {
    exp: number;
  };
  return exp * 1_000;
}
