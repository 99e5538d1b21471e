/**
 * The long form of the test of topics on several nodes:
 * `node --import tsx test/chaos/topic-storm.ts [events] [subscribers] [churn]`. Prints what came of
 * it as JSON; the exit code is 1 when an event was lost, came twice or out of order without a gap
 * that was told.
 */

import { topicStorm } from "../helpers/models/topic-storm.js";
import { RedisServer } from "../helpers/redis/redis-server.js";

const [events = 100_000, subscribers = 300, churn = 3_000] = process.argv.slice(2).map(Number);
const redis = await RedisServer.start();
try {
  const outcome = await topicStorm({
    redisUrl: redis.url,
    nodes: 3,
    events,
    subscribers,
    churn,
    history: 5_000,
  });
  process.stdout.write(`${JSON.stringify({ events, subscribers, churn, ...outcome })}\n`);
  process.exitCode = outcome.faults.length === 0 && outcome.complete === subscribers ? 0 : 1;
} finally {
  await redis.stop();
}
