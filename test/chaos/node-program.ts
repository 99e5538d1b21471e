/**
 * A node: server and embedded issuer in a process that may be killed at any time. It ends with its
 * parent.
 */
import { openSync, writeSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { queryObjects } from "node:v8";
import { z } from "zod";
import { Session } from "../../src/auth/session/session.js";
import { createRpc, createServer } from "../../src/index.js";
import { createIssuer, fileStore, memoryStore, type Store } from "../../src/issuer/index.js";
import { TopicSubscription } from "../../src/pubsub/topic-subscription.js";
import { Connection } from "../../src/server/connection/connection.js";
import { redisStore } from "../../src/store/redis/index.js";
import { CheapHasher } from "../helpers/tokens/cheap-hasher.js";
import {
  type NodeAnswer,
  type NodeFigures,
  type NodeQuestion,
  type NodeSettings,
  password,
  users,
} from "./node-settings.js";

const settings = JSON.parse(process.env.JOTWIRE_NODE ?? "{}") as NodeSettings;
const watched = { Connection, Session, TopicSubscription };

const ledger = openSync(settings.ledger, "a");
const rpc = createRpc();
const app = rpc.router({
  /** Works for some milliseconds. What it has written survives the process. */
  record: rpc.method({
    params: z.object({ id: z.string(), work: z.number() }),
    async handler({ params: { id, work }, auth }) {
      const late = Date.now() - auth.expiresAt * 1_000;
      writeSync(ledger, `${id}${late >= 0 ? ` late ${late}` : ""}\n`);
      if (work > 0) await pause(work);
      return id;
    },
  }),
  ticks: rpc.topic({
    event: z.object({ n: z.number(), at: z.number() }),
    key: () => "ticks",
    history: { size: 5_000, ttl: 600_000 },
    buffer: 1_000,
  }),
});

const store = storeOf(settings.store);
const { reuseWindow } = settings;
const issuer = await createIssuer({
  ...{
    issuer: "http://localhost",
    audience: "chaos",
    store,
    testing: { passwordHasher: new CheapHasher() },
    accessTokenTtl: settings.tokenTtl,
  },
  failedLoginsPerAddress: Number.POSITIVE_INFINITY, // all clients have the same
  ...(reuseWindow === undefined ? {} : { reuseWindow }),
});
const many = 1_000_000; // all clients have the same address
const server = createServer(app, {
  auth: issuer,
  logger: {
    debug() {},
    info() {},
    warn() {},
    error: (fields, message) => process.stderr.write(`${message} ${text(fields)}\n`),
  },
  limits: {
    ...{
      unauthenticatedConnectionsPerAddress: many,
      unauthenticatedConnections: many,
      acceptsPerSecond: many,
    },
    ...{ openFramesPerSecond: many, authFailuresPerAddress: many, authCallsPerAddress: many },
  },
});
const { url } = await server.listen(settings.port);

process.on("message", (question: NodeQuestion) => void answer(question));
process.on("disconnect", () => process.exit(1)); // the parent is gone
process.once("SIGTERM", () => void leave());
process.send?.(url);

async function answer({ id, name, asks }: NodeQuestion): Promise<void> {
  const reply = (rest: Partial<NodeAnswer>) => process.connected && process.send?.({ id, ...rest });
  try {
    if (name === "publish")
      await server.publish(app.routes.ticks, undefined as never, {
        n: asks as number,
        at: Date.now(),
      });
    if (name === "addUsers") await addUsers();
    reply({ answers: name === "figures" ? figures() : null });
  } catch (error) {
    reply({ error: String(error) });
  }
}

function storeOf(place: NodeSettings["store"]): Store {
  if (place === "memory") return memoryStore();
  return "redis" in place ? redisStore({ url: place.redis }) : fileStore(place.folder);
}

async function addUsers(): Promise<void> {
  for (let n = 0; n < users; n++) await issuer.users.add(`user-${n}`, password, {});
}

function figures(): NodeFigures {
  globalThis.gc?.();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const objects = Object.fromEntries(
    Object.entries(watched).map(([name, one]) => [name, queryObjects(one, { format: "count" })]),
  );
  return {
    connections: server.connections,
    objects,
    resources,
    heapUsed: process.memoryUsage().heapUsed,
  };
}

/** Ends by itself: what would keep the process alive after this is a leak. */
async function leave(): Promise<void> {
  await server.close({ drain: settings.drain });
  await issuer.close();
  process.removeAllListeners("disconnect");
  process.disconnect();
}

function text(fields: object): string {
  return JSON.stringify(fields, (_key, value) => (value instanceof Error ? value.stack : value));
}
