import { z } from "zod";
import { createRpc } from "../../../src/index.js";
import { startServer, type TestServerOptions } from "../server/test-server.js";

/** An application with subscriptions. `subscribed`: how many calls of its topics were allowed. */
function pricesApp() {
  const state = { subscribed: 0 };
  const rpc = createRpc({
    scopes: ["prices"],
    notifications: { "market.closed": z.object({ at: z.string() }) },
  });
  const params = z.object({ sku: z.string() });
  const event = z.object({ n: z.number(), padding: z.string().optional() });
  const authorize = () => {
    state.subscribed++;
    return true;
  };
  const topic = { scope: "prices", params, event, authorize } as const;
  const app = rpc.router({
    prices: {
      watch: rpc.topic({
        ...topic,
        key: ({ sku }) => `prices:${sku}`,
        history: { size: 500, ttl: 600_000 },
      }),
      ticks: rpc.topic({ ...topic, key: ({ sku }) => `ticks:${sku}` }),
      count: rpc.subscription({
        params: z.object({ to: z.number() }),
        async *handler({ params: { to } }) {
          for (let n = 1; n <= to; n++) yield { n };
          if (to < 0) throw new Error("a secret of the implementation");
        },
      }),
      add: rpc.method({
        summary: "Adds two numbers",
        params: z.object({ first: z.number(), second: z.number(), note: z.string().optional() }),
        handler: ({ params: { first, second } }) => first + second,
      }),
      close: rpc.method({
        handler({ connection }) {
          connection.notify("market.closed", { at: "17:30" });
          return null;
        },
      }),
      /** Answers when its signal aborts. */
      wait: rpc.method({
        handler: ({ signal }) =>
          new Promise<string>((resolve) =>
            signal.addEventListener("abort", () => resolve("aborted")),
          ),
      }),
    },
  });
  return { app, state };
}

/** A server of prices in this process, for commands that are processes of their own. */
export async function startPrices(options: TestServerOptions = {}) {
  const { app, state } = pricesApp();
  const server = await startServer(app, options);
  const { watch, ticks } = app.routes.prices;
  return {
    url: server.url,
    server: server.server,
    log: server.log,
    state,
    /** A token that is good for so many seconds. */
    token: (seconds = 600, claims: Readonly<Record<string, unknown>> = {}) =>
      server.token({
        scope: "prices",
        exp: Math.floor((options.clock?.now() ?? Date.now()) / 1_000) + seconds,
        ...claims,
      }),
    /** Publishes the numbers from `first` to `last` to a topic of C3. */
    async publish(
      first: number,
      last = first,
      padding?: string,
      topic: "watch" | "ticks" = "watch",
    ) {
      const route = topic === "watch" ? watch : ticks;
      for (let n = first; n <= last; n++)
        await server.server.publish(
          route,
          { sku: "C3" },
          { n, ...(padding === undefined ? {} : { padding }) },
        );
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}
