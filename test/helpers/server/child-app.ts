/**
 * A server in a process of its own: `JOTWIRE_CHILD` says whose tokens it takes, its limits, and
 * whether it has an issuer. Prints its URL; ends on SIGTERM.
 */
import { z } from "zod";
import { createRpc, createServer, jsonLogger } from "../../../src/index.js";
import { createIssuer, fileStore, type Issuer } from "../../../src/issuer/index.js";
import { redisStore } from "../../../src/store/redis/index.js";
import type { ChildIssuer, ChildSettings } from "./child-settings.js";
import { sampleApp } from "./test-server.js";

const settings = JSON.parse(process.env.JOTWIRE_CHILD ?? "{}", (_name, value) =>
  value === "Infinity" ? Number.POSITIVE_INFINITY : value,
) as ChildSettings;
const { publicJwk, limits } = settings;

const rpc = createRpc({
  scopes: ["numbers:add", "admin"],
  notifications: { "numbers.changed": z.object({ sum: z.number() }) },
});
// whose handlers fail for some params, which is logged as an error
const { fail: _fail, subtract: _subtract, ...routes } = sampleApp().routes;
const subtract = rpc.method({
  params: z.tuple([z.number(), z.number()]),
  handler: ({ params: [minuend, subtrahend] }) => minuend - subtrahend,
});
const memory = rpc.method({
  handler() {
    globalThis.gc?.();
    return process.memoryUsage();
  },
});
/** 20 KB, at once. */
const big = rpc.method({ handler: () => "x".repeat(20_000) });
/** A topic with a history of 1,000 events of 1 KB. */
const kept = rpc.topic({
  key: () => "kept",
  history: { size: 1_000, ttl: Number.POSITIVE_INFINITY },
});
/** So that `rpc.discover` has something to say: 20 KB. */
const described = Object.fromEntries(
  Array.from({ length: 60 }, (_, n) => [
    `m${n}`,
    rpc.method({ description: "What it does. ".repeat(20), handler: () => null }),
  ]),
);

const provider = { issuer: "https://id.test", audience: "test", publicKey: publicJwk };
const issuer = settings.issuer && (await issuerOf(settings.issuer));
const auth = issuer === undefined ? provider : [provider, issuer];
const app = rpc.router({ ...routes, subtract, memory, big, kept, described });
const server = createServer(app, { auth, limits });
for (let n = 0; n < 1_000; n++) await server.publish(app.routes.kept, undefined, "x".repeat(1_000));
const { url } = await server.listen(0);
process.stdout.write(`${url}\n`);
process.once("SIGTERM", () => void leave());

async function issuerOf(embedded: ChildIssuer): Promise<Issuer> {
  const { store, usernames, password, ...options } = embedded;
  const made = await createIssuer({
    issuer: "http://localhost",
    audience: "test",
    store: "redis" in store ? redisStore({ url: store.redis }) : fileStore(store.folder),
    logger: jsonLogger(),
    ...options,
  });
  const [first = "", ...others] = usernames;
  await made.users.add(first, password);
  const user = await made.store.users.get(first);
  // with the same hash: each more would take tens of milliseconds
  for (const username of others) if (user) await made.store.users.add({ ...user, username });
  return made;
}

async function leave(): Promise<void> {
  await server.close();
  await issuer?.close();
}
