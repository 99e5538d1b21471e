/** A token expires under a subscription, and there is no next one: the login was ended. */
import { setTimeout as delay } from "node:timers/promises";
import { Adder } from "../lib/adder.ts";
import { board, type Stage } from "../lib/stage.ts";
import { until } from "../lib/wait.ts";

const tokenSeconds = 6;

export async function expiry(stage: Stage) {
  const server = await stage.server({ tokenSeconds });
  const bob = await stage.client(server.origin, "bob");
  await bob.add(board, "first");
  const ada = await stage.device(server, "ada");
  const expired = delay(tokenSeconds * 1_000); // at the latest: `exp` is in whole seconds
  const allow = refuseRefresh(ada.tap.origin);
  try {
    const adder = new Adder(bob, board);
    await expired;
    const { begun } = adder;
    const toldMs = await until(() => ada.told !== undefined, 10_000);
    await adder.more(20);
    await adder.stop();
    const after = [...ada.tap.seen].filter((number) => number >= begun);
    return { eventsAfter: after.length, toldMs };
  } finally {
    allow();
  }
}

/** Has the issuer at this origin refuse each refresh, as for a user who was disabled. */
function refuseRefresh(origin: string): () => void {
  const original = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.origin !== origin || url.pathname !== "/token") return original(input, init);
    return Response.json({ error: "invalid_grant" }, { status: 400 });
  };
  return () => {
    globalThis.fetch = original;
  };
}
