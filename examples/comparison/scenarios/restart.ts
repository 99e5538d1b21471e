/** The server is away for two seconds, while somebody adds 20 cards a second. */
import { setTimeout as delay } from "node:timers/promises";
import { Adder } from "../lib/adder.ts";
import { board, type Stage } from "../lib/stage.ts";
import { until } from "../lib/wait.ts";

const awayMs = 2_000;

export const restartBy = (signal: "SIGTERM" | "SIGKILL") => async (stage: Stage) => {
  const server = await stage.server();
  const ada = await stage.client(server.origin, "ada");
  await ada.add(board, "first");
  const bob = await stage.device(server, "bob");
  await server.prepare();
  const adder = new Adder(ada, board);
  await adder.more(20);

  const away = delay(awayMs);
  await server.stop(signal);
  await away;
  await server.start();
  const [back, next] = [performance.now(), adder.begun];
  const liveMs = until(() => newestSeen(bob.tap.seen) >= next, 60_000);
  await adder.more(60);
  await liveMs;
  await adder.stop();

  const kept = server.cards(board);
  const isEqual = () => bob.cards.length === kept.length && sorted(bob.cards) === sorted(kept);
  await until(isEqual, 5_000);
  const titles = new Set(kept.map(({ title }) => title));
  const shown = new Set(bob.cards.map(({ title }) => title));
  return {
    calls: adder.begun,
    refused: adder.refused.length,
    lost: adder.answered.filter((title) => !titles.has(title)).length,
    twice: kept.length - titles.size,
    eventsLost: [...titles].filter((title) => !shown.has(title)).length,
    eventsTwice: bob.cards.length - shown.size,
    isEqual: isEqual(),
    liveMs: await liveMs,
    takenMs: performance.now() - back,
  };
};

const newestSeen = (seen: ReadonlySet<number>) => Math.max(-1, ...seen);
const sorted = (cards: readonly object[]) =>
  JSON.stringify(cards.map((card) => JSON.stringify(card)).sort());
