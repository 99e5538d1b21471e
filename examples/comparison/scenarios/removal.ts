/** A member is removed while somebody else adds 20 cards a second. */
import { Adder } from "../lib/adder.ts";
import { board, type Stage } from "../lib/stage.ts";
import { until } from "../lib/wait.ts";

export async function removal(stage: Stage) {
  const server = await stage.server();
  const ada = await stage.client(server.origin, "ada");
  await ada.add(board, "first");
  const bob = await stage.device(server, "bob");
  const adder = new Adder(ada, board);
  await adder.more(20);
  const start = performance.now();
  const told = until(() => bob.told !== undefined, 5_000);
  await ada.removeMember(board, "bob");
  const answered = { begun: adder.begun, ms: performance.now() - start };
  await adder.more(20);
  const toldMs = await told;
  await adder.stop();
  if (bob.tap.seen.size === 0) throw new Error("the tap has seen no card at all");
  const after = [...bob.tap.seen].filter((number) => number >= answered.begun);
  return { eventsAfter: after.length, toldMs, answerMs: answered.ms };
}
