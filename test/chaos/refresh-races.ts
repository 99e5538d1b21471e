import { RedisServer } from "../helpers/redis-server.js";
import type { Fault } from "./fault.js";
import { Fleet } from "./fleet.js";
import { login, Refused, refresh } from "./login.js";

const uses = 100;

/** One refresh token, used by many at the same time on two nodes that forgive no second use. */
export const refreshRaces: Fault = {
  name: `Refresh race: ${uses} uses of one token at the same time, over two nodes`,
  async run({ races }, tally) {
    const redis = await RedisServer.start();
    try {
      await using fleet = await Fleet.start({ nodes: 2, redisUrl: redis.url, reuseWindow: 0 });
      let fair = 0;
      for (let race = 0; race < races; race++) {
        const { refresh_token: token } = await login(fleet.any().url, race);
        const answers = await Promise.all(Array.from({ length: uses }, (_, n) => use(fleet.nodes[n % 2]?.url ?? "", token)));
        const winners = answers.filter((answer) => answer === "won").length;
        const losers = answers.filter((answer) => answer === "refused").length;
        if (winners === 1 && losers === uses - 1) fair++;
        else tally.violation(`a race with ${winners} winners and ${losers} who were refused`);
      }
      return `exactly one winner in ${fair} of ${races} races`;
    } finally {
      await redis.stop();
    }
  },
};

async function use(url: string, token: string): Promise<"won" | "refused" | "failed"> {
  try {
    await refresh(url, token);
    return "won";
  } catch (error) {
    return error instanceof Refused ? "refused" : "failed";
  }
}
