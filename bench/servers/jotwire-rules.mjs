/** jotwire with rules, middleware and snapshots, each on a route of its own. */
import { jotwire } from "../lib/jotwire.mjs";
import { serve } from "../lib/serve.mjs";
import { audience, issuer } from "../lib/tokens.mjs";

const { createRpc, createServer } = await jotwire("src/index.js");

function app() {
  const rpc = createRpc({ scopes: ["orders:read"] });
  const scope = "orders:read";
  const handler = ({ params }) => params;
  const isAllowed = ({ auth, params }) => params.sku === "A1" && auth.subject === "user-42";
  const watched = rpc.use(({ next }) => next());
  return rpc.router({
    orders: {
      get: rpc.method({ scope, handler }),
      ruled: rpc.method({ scope, authorize: isAllowed, handler }),
      asked: rpc.method({ scope, authorize: async (asked) => isAllowed(asked), handler }),
      used: watched.method({ scope, handler }),
    },
    prices: rpc.topic({ scope, key: () => "prices A1" }),
    state: rpc.topic({ scope, key: () => "state A1", snapshot: () => ({ sku: "A1", qty: 2 }) }),
  });
}

/** All clients are of this machine, come at once, and subscribe again and again. */
const limits = { acceptsPerSecond: 1e9, authCallsPerAddress: 1e9, subscribeCallsPerSecond: 1e9 };

serve(async ({ publicJwk }) => {
  const auth = { issuer, audience, publicKey: publicJwk, maxLifetime: 3_600_000 };
  return (await createServer(app(), { auth, limits }).listen(0)).port;
});
