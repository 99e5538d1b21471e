/**
 * What Redis can do to three nodes under load:
 * `node --import tsx test/chaos/redis-outages.ts [cycles]`. Each line of the table says what was
 * done, how often, how long it took until every node served again (after Redis was back), and what
 * must be 0. The exit code is 1 when it is not.
 */

import { TcpProxy } from "../helpers/network/tcp-proxy.js";
import { RedisLoad } from "../helpers/redis/redis-load.js";
import { RedisServer, type RedisSettings } from "../helpers/redis/redis-server.js";

interface Outage {
  readonly name: string;
  readonly settings: RedisSettings;
  /** Is what Redis knew of logins gone by intent? */
  readonly losesLogins?: boolean;
  leave(redis: RedisServer, network: TcpProxy): void | Promise<void>;
  comeBack(redis: RedisServer, network: TcpProxy): void | Promise<void>;
}

const durable: RedisSettings = { appendfsync: "always" };
const outages: readonly Outage[] = [
  {
    name: "SIGKILL, restarted after 1 s",
    settings: durable,
    leave: (redis) => redis.kill(),
    comeBack: (redis) => redis.restart(),
  },
  {
    name: "SIGSTOP for 1 s",
    settings: durable,
    leave: (redis) => redis.hang(),
    comeBack: (redis) => redis.goOn(),
  },
  {
    name: "restarted empty after 1 s",
    settings: {},
    losesLogins: true,
    leave: (redis) => redis.kill(),
    comeBack: (redis) => redis.restart(),
  },
  {
    name: "one node's connections reset, none for 1 s",
    settings: durable,
    leave: (_, net) => net.down(),
    comeBack: (_, net) => net.restore(),
  },
  {
    name: "one node's connections swallowed for 1 s",
    settings: durable,
    leave: (_, net) => net.blackHole(),
    comeBack: () => {},
  },
];

const [cycles = 10] = process.argv.slice(2).map(Number);
const columns = [
  "what",
  "times",
  "p50 ms",
  "p99 ms",
  "refreshes",
  "calls",
  "revocations",
  "logins lost",
  "calls refused",
  "revoked but accepted",
];
const say = (cells: readonly (string | number)[]) =>
  process.stdout.write(`| ${cells.join(" | ")} |\n`);
say([...columns, "slowest refusal ms"]);
say([...columns, ""].map(() => "---"));
for (const outage of outages) await run(outage);

async function run({
  name,
  settings,
  losesLogins = false,
  leave,
  comeBack,
}: Outage): Promise<void> {
  const redis = await RedisServer.start(settings);
  await using network = await TcpProxy.listen();
  network.leadTo(redis.port);
  const urls = [redis.url, redis.url, `redis://127.0.0.1:${network.port}`];
  const load = await RedisLoad.start(urls, "chaos", 15);
  const recoveries: number[] = [];
  let accepted = 0;
  for (let cycle = 0; cycle < cycles; cycle++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    await leave(redis, network);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await comeBack(redis, network);
    if (losesLogins) await load.signUpAgain();
    recoveries.push(await load.recovery());
    accepted += await load.revokedButAccepted();
  }
  await load.stop();
  await redis.stop();
  recoveries.sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round(
      recoveries[Math.min(Math.floor(recoveries.length * share), recoveries.length - 1)] ?? 0,
    );
  const { refreshes, calls, revocations, familiesLost, callsRefused, slowestRefusal } = load.tally;
  const lost = losesLogins ? "all, as told" : familiesLost;
  say([
    name,
    cycles,
    at(0.5),
    at(0.99),
    refreshes,
    calls,
    revocations,
    lost,
    callsRefused,
    accepted,
    Math.round(slowestRefusal),
  ]);
  const isWell =
    callsRefused === 0 && accepted === 0 && (losesLogins || familiesLost === 0) && at(0.99) < 5_000;
  if (!isWell) process.exitCode = 1;
}
