import type { ClientOptions, SubscribeOptions, Subscription } from "../../../client/index.js";
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
  // an untyped client has every name, as a method's: only an application's type knows subscriptions
  const { watch, prices } = script.client.api.orders as unknown as Record<
    "watch" | "prices",
    (params?: unknown, options?: SubscribeOptions) => Subscription<unknown>
  >;
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
