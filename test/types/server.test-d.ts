/** What the compiler knows about a server. Nothing here runs: a wrong line doesn't compile. */
import { z } from "zod";
import { createRpc, createServer, type Server } from "../../src/index.js";

const rpc = createRpc({
  notifications: {
    "order.updated": z.object({ id: z.string(), status: z.string().default("new") }),
  },
});
const app = rpc.router({
  prices: rpc.topic({
    params: z.object({ symbol: z.string() }),
    event: z.object({ price: z.number() }),
    key: ({ symbol }) => symbol,
  }),
});
const auth = { issuer: "https://id.example.com", audience: "orders" };

export async function notifies(): Promise<void> {
  const server = createServer(app, {
    auth,
    hooks: {
      connected(connection) {
        connection.notify("order.updated", { id: "o1", status: "sent" });
        // @ts-expect-error no notification has this name
        connection.notify("order.updatd", { id: "o1" });
        // @ts-expect-error params that don't fit
        connection.notify("order.updated", { id: 1 });
      },
    },
  });
  await server.notify("all", "order.updated", { id: "o1", status: "sent" });
  await server.notify("all", "order.updated", { id: "o1" }); // as it goes into the schema
  // @ts-expect-error no notification has this name
  await server.notify("all", "order.updatd", { id: "o1" });
  // @ts-expect-error params that don't fit
  await server.notify("all", "order.updated", { id: 1 });
  // @ts-expect-error params are required
  await server.notify("all", "order.updated");

  // a server of any application takes any name
  const any: Server = server;
  await any.notify("all", "any.name", { id: 1 });

  // one that declares none sends none
  const silent = createServer(createRpc().router({}), { auth });
  // @ts-expect-error no notification is declared
  await silent.notify("all", "order.updated", { id: "o1" });
}

export async function publishes(server: Server): Promise<void> {
  await server.publish(app.routes.prices, { symbol: "BTC" }, { price: 1 });
  // @ts-expect-error params that don't fit
  await server.publish(app.routes.prices, { symbol: 1 }, { price: 1 });
  // @ts-expect-error params that name nothing
  await server.publish(app.routes.prices, {}, { price: 1 });
  // @ts-expect-error an event that doesn't fit
  await server.publish(app.routes.prices, { symbol: "BTC" }, { price: "1" });
  // @ts-expect-error an event without its members
  await server.publish(app.routes.prices, { symbol: "BTC" }, {});
}
