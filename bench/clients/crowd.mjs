/**
 * Many SDK clients in one process, each calling all the time, and an account of what became of each
 * call.
 */
import { setTimeout as delay } from "node:timers/promises";
import { answer } from "../lib/answer.mjs";
import { jotwire } from "../lib/jotwire.mjs";

const { createClient } = await jotwire("client/node.js");
const clients = [];
const calls = { started: 0, resolved: 0, rejected: 0 };
let isCalling = true;

/**
 * One call after another; `number` names each. Their settlements are counted, not awaited with the
 * loop.
 */
async function keepCalling(client, pause) {
  await delay(Math.random() * pause);
  while (isCalling) {
    const number = calls.started++;
    client.api.orders.slow({ number, takes: 100 }).then(
      () => calls.resolved++,
      () => calls.rejected++,
    );
    await delay(pause);
  }
}

answer({
  /** Connects `count` clients, some at a time, and lets each call every `pause` ms. */
  connect: async ({ url, token, count, pause }) => {
    while (clients.length < count) {
      const some = Array.from({ length: 50 }, () =>
        createClient({ url, token: async () => token }),
      );
      await Promise.all(some.map((client) => client.ready()));
      clients.push(...some);
    }
    for (const client of clients) keepCalling(client, pause);
  },
  /** Resolves when all clients are ready again. */
  ready: async () => {
    await Promise.all(clients.map((client) => client.ready()));
  },
  /**
   * Stops calling, waits until all calls have settled, 35 s at most, and tells what became of them.
   */
  account: async () => {
    isCalling = false;
    const endsAt = performance.now() + 35_000;
    while (calls.resolved + calls.rejected < calls.started && performance.now() < endsAt)
      await delay(50);
    return calls;
  },
});
