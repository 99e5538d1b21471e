/**
 * jotwire as an application would run it: sessions by ES256 tokens, a scope on each method, a list
 * of revocations.
 */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { eventOf, inTurns } from "../lib/events.mjs";
import { jotwire } from "../lib/jotwire.mjs";
import { serve } from "../lib/serve.mjs";
import { audience, issuer } from "../lib/tokens.mjs";

const { createRpc, createServer } = await jotwire("src/index.js");

/**
 * What a restart must account for: when connections came, how many authenticated, and which calls
 * ran.
 */
const seen = { arrivals: [], authenticated: 0, ran: [] };
const hooks = {
  connected: () => seen.arrivals.push(Date.now()),
  authenticated: () => seen.authenticated++,
};

async function slow({ params: { number, takes } }) {
  seen.ran.push(number);
  await delay(takes);
  return number;
}

function appWith(methods) {
  const rpc = createRpc({ scopes: ["orders:read"] });
  const scope = "orders:read";
  const handler = ({ params }) => params;
  const order = z.object({ sku: z.string(), qty: z.number().int() });
  const get = rpc.method({ scope, handler });
  const check = rpc.method({ scope, params: order, handler });
  const more = Array.from({ length: methods }, (_, index) => [
    `other${index}`,
    rpc.method({ scope, handler }),
  ]);
  const prices = rpc.topic({ scope, key: () => "prices A1" });
  return rpc.router({
    prices,
    orders: { get, check, slow: rpc.method({ scope, handler: slow }) },
    ...Object.fromEntries(more),
  });
}

/** All clients are of this machine, and come at once. */
const oneAddress = { acceptsPerSecond: 1e9, authCallsPerAddress: 1e9 };

let app;
let server;

serve(
  /**
   * `methods` and `revocations`: how many there are besides. `isWatched`: keeps account of what a
   * restart must account for.
   */
  async ({ publicJwk, methods = 7, revocations = 1, limits = {}, port = 0, isWatched = false }) => {
    app = appWith(methods);
    const auth = { issuer, audience, publicKey: publicJwk, maxLifetime: 3_600_000 };
    server = createServer(app, {
      auth,
      limits: { ...oneAddress, ...limits },
      hooks: isWatched ? hooks : {},
    });
    for (let index = 0; index < revocations; index++)
      await server.revoke({ jti: `a token that was revoked, number ${index}` });
    return (await server.listen(port)).port;
  },
  {
    publish: (plan) =>
      inTurns(plan, (number, padding) =>
        server.publish(app.routes.prices, undefined, eventOf(number, padding)),
      ),
    /** Bytes that wait for the slowest reader. */
    buffered: async () =>
      Math.max(...(await server.sessions()).sessions.map(({ bufferedBytes }) => bufferedBytes)),
    seen: () => seen,
    closed: async (options) => {
      await server.close(options);
      return seen;
    },
  },
);
