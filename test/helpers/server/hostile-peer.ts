/**
 * An attacker in a process of its own: `HOSTILE_PEER` says what it does, and to whom. Says "begun"
 * when it is under way, and what it has counted when it is asked; ends with its parent.
 */
import { setTimeout as pause, setImmediate as turn } from "node:timers/promises";
import type { Attack } from "./attack.js";
import { issuerAttacks } from "./issuer-attacks.js";
import { RawClient } from "./raw-client.js";

const attack = JSON.parse(process.env.HOSTILE_PEER ?? "{}") as Attack;
const { name, url, token, connections } = attack;
const counts: Record<string, number> = {};
const count = (what: string, times = 1): void => {
  counts[what] = (counts[what] ?? 0) + times;
};
const call = (id: unknown, method: string, params?: unknown) => ({
  jsonrpc: "2.0",
  id,
  method,
  params,
});
const batchOf = (method: string, params?: unknown) =>
  JSON.stringify(Array.from({ length: 50 }, (_, id) => call(id, method, params)));
const padded = (bytes: number, first: string) =>
  `{"jsonrpc":"2.0","id":1,"method":"ping","params":["${first}"${",12".repeat(bytes / 3)}]}`;
const maxUnsent = 1_048_576; // bytes of one socket

process.once("disconnect", () => process.exit());
process.on("message", () => process.send?.(counts));

async function login(): Promise<RawClient> {
  const client = await RawClient.connect(url);
  const { error } = await client.authenticate(token);
  if (error !== undefined) throw new Error(JSON.stringify(error));
  return client;
}

/**
 * Sends the same as fast as the other end takes it, for ever, or so many times. Whoever is thrown
 * out comes back.
 */
async function flood(
  connect: () => Promise<RawClient>,
  frame: string,
  times = Number.POSITIVE_INFINITY,
): Promise<void> {
  let client = await connect();
  for (let sent = 0; sent < times; ) {
    const { socket } = client;
    if (socket.readyState !== socket.OPEN) {
      await pause(50);
      client = await connect().catch(() => client); // it may be refused for a while
    } else if (socket.bufferedAmount < maxUnsent) {
      socket.send(frame);
      count("frames");
      if (++sent % 16 === 0) await turn();
    } else await pause(1);
  }
}

/** Reads nothing from now on. */
async function unreading(): Promise<RawClient> {
  const client = await login();
  client.socket.pause();
  return client;
}

/** Reads all, and looks at nothing. */
async function anonymous(): Promise<RawClient> {
  const client = await RawClient.connect(url);
  client.socket.removeAllListeners("message");
  return client;
}

const attacks: Readonly<Record<Attack["name"], (index: number) => Promise<void>>> = {
  ...issuerAttacks(attack, count),
  /** One connection asks for the whole history 800 times. */
  async replays() {
    const client = await login();
    const { epoch } = (await client.call("kept")).result as unknown as { epoch: string };
    client.socket.pause();
    await flood(async () => client, batchOf("kept", { $since: { epoch, offset: 0 } }), 16);
  },
  results: () => flood(unreading, batchOf("big"), 75),
  discoveries: () => flood(unreading, batchOf("rpc.discover"), 75),
  escapes: () => flood(anonymous, padded(16_000, "\\u0041")),
  /** A name that nobody ever published to, in each call. */
  async madeUpTopics() {
    const client = await login();
    client.socket.removeAllListeners("message");
    client.socket.on("message", (data) => {
      const answers = JSON.parse(String(data)) as readonly { readonly result?: object }[];
      count("subscriptions", answers.filter(({ result = {} }) => "subscription" in result).length);
    });
    for (let n = 0; ; n += 50) {
      const colours = Array.from({ length: 50 }, (_, index) => `made up ${n + index}`);
      for (const calls of [
        colours.map((colour, id) => call(id, "numbers.watch", { colour })),
        colours.map((colour, id) => call(id, "unsubscribe", { subscription: `numbers:${colour}` })),
      ])
        client.send(calls);
      count("frames", 2);
      while (client.socket.bufferedAmount > maxUnsent) await pause(1);
      await turn();
    }
  },
  expiredTokens: () => flood(anonymous, JSON.stringify(call(1, "authenticate", { token }))),
  /** All in one go, again and again. */
  async framesBehindLogin() {
    for (;;) {
      const client = await RawClient.connect(url);
      client.send(
        call("in", "authenticate", { token }),
        ...Array.from({ length: 60 }, (_, id) => call(id, "big")),
      );
      count("frames", 61);
      await Promise.race([client.closed, pause(100)]);
      await client.close();
    }
  },
  async large() {
    await flood(
      async () => {
        const client = await login();
        client.socket.removeAllListeners("message");
        return client;
      },
      padded(19_900, "A"),
    );
  },
};

process.send?.("begun");
await Promise.all(Array.from({ length: connections }, (_, index) => attacks[name](index)));
process.send?.("done");
