/** A user signs out everywhere, on one of three devices, and logs in again. */
import { Adder } from "../lib/adder.ts";
import { board, type Stage } from "../lib/stage.ts";
import { until } from "../lib/wait.ts";

export async function signOut(stage: Stage) {
  const server = await stage.server();
  const bob = await stage.client(server.origin, "bob");
  await bob.add(board, "first");
  const devices = [];
  for (let count = 0; count < 3; count++) devices.push(await stage.device(server, "ada"));
  const [first, ...others] = devices as [(typeof devices)[0], ...typeof devices];
  const adder = new Adder(bob, board);
  await adder.more(20);

  const told = until(() => others.every((device) => device.told !== undefined), 10_000);
  await first.client.signOutEverywhere();
  const { begun } = adder;
  const start = performance.now();
  const again = await stage.device(server, "ada");
  const loginMs = performance.now() - start;
  await adder.more(20);
  const toldMs = await told;
  await adder.stop();
  if (again.told !== undefined) throw new Error(`the new login has ended: ${again.told}`);
  const after = others.map(({ tap }) => [...tap.seen].filter((number) => number >= begun).length);
  return { eventsAfter: Math.max(...after), toldMs, loginMs };
}
