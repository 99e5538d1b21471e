import type { ClientOptions } from "../../../client/index.js";
import { type ScriptedSocket, scriptedClient } from "./scripted-client.js";

/** Sends an event of a subscription. */
export const event = (
  socket: ScriptedSocket,
  subscription: string,
  data: unknown,
  more: object = {},
) => socket.tell("subscription.event", { subscription, data, ...more });

/** Ends a subscription. */
export const ended = (
  socket: ScriptedSocket,
  subscription: string,
  reason: string,
  more: object = {},
) => socket.tell("subscription.ended", { subscription, reason, ...more });

/** A client that is signed in with a server that answers pings, and two functions of its api. */
export async function connected(options: Partial<ClientOptions> = {}) {
  const script = scriptedClient(options, undefined, (socket) => {
    socket.answersPings = true;
  });
  const socket = await script.signIn();
  const lost: unknown[] = [];
  script.client.on("gap", (loss) => lost.push(loss));
  const watch = script.client.api.orders?.watch;
  const prices = script.client.api.orders?.prices;
  if (!watch || !prices) throw new Error("An untyped client has every name");
  return { ...script, socket, lost, watch, prices };
}

/** Drops the connection, and signs in on the next one. */
export async function reconnected(
  { pass, signIn, sockets }: Awaited<ReturnType<typeof connected>>,
  changes?: Readonly<Record<string, unknown>>,
) {
  sockets.at(-1)?.drop();
  await pass(20_000);
  return signIn(changes);
}
