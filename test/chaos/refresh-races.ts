import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, RedisServer } from "../helpers/redis/redis-server.js";
import type { Fault } from "./fault.js";
import { Fleet } from "./fleet.js";
import { login, Refused, refresh } from "./login.js";
import { NodeProcess } from "./node-process.js";
import type { NodeSettings } from "./node-settings.js";
import type { Tally } from "./tally.js";

const uses = 100;
const answerLimit = 30_000; // 30 s: a disk that stalls decides no race
const reuseWindow = 0; // no second use is forgiven
const name = `Refresh race: ${uses} uses of one token at the same time`;

/**
 * One refresh token, used by many at the same time: on two nodes with one store, and on one node
 * for each store that has no other.
 */
export const refreshRaces: readonly Fault[] = [
  {
    name: `${name}, over two nodes`,
    async run({ races }, tally) {
      const redis = await RedisServer.start();
      try {
        await using fleet = await Fleet.start({ nodes: 2, redisUrl: redis.url, reuseWindow });
        return await run(fleet.nodes, races, tally);
      } finally {
        await redis.stop();
      }
    },
  },
  {
    name: `${name}, file store`,
    run: ({ races }, tally) =>
      onOneNode((folder) => ({ folder: join(folder, "state") }), races, tally),
  },
  {
    name: `${name}, store in memory`,
    run: ({ races }, tally) => onOneNode(() => "memory", races, tally),
  },
];

async function onOneNode(
  storeIn: (folder: string) => NodeSettings["store"],
  races: number,
  tally: Tally,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "jotwire-races-"));
  try {
    const places = {
      port: await freePort(),
      store: storeIn(folder),
      ledger: join(folder, "ledger"),
    };
    await using node = await NodeProcess.start({
      ...places,
      tokenTtl: 60_000,
      reuseWindow,
      drain: 0,
    });
    await node.addUsers();
    return await run([node], races, tally);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(nodes: readonly NodeProcess[], races: number, tally: Tally): Promise<string> {
  const urlOf = (n: number) => nodes[n % nodes.length]?.url ?? "";
  let fair = 0;
  for (let race = 0; race < races; race++) {
    const { refresh_token: token } = await login(urlOf(race), race);
    const answers = await Promise.all(Array.from({ length: uses }, (_, n) => use(urlOf(n), token)));
    const winners = answers.filter((answer) => answer === "won").length;
    const losers = answers.filter((answer) => answer === "refused").length;
    if (winners === 1 && losers === uses - 1) fair++;
    else {
      const others = [...new Set(answers)].filter((one) => one !== "won" && one !== "refused");
      tally.violation(
        `a race with ${winners} winners and ${losers} who were refused; the rest: ${others}`,
      );
    }
  }
  return `exactly one winner in ${fair} of ${races} races`;
}

/** "won", "refused", or why there was no answer. */
async function use(url: string, token: string): Promise<string> {
  try {
    await refresh(url, token, undefined, answerLimit);
    return "won";
  } catch (error) {
    return error instanceof Refused ? "refused" : String(error);
  }
}
