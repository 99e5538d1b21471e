/** What the compiler knows about a server. Nothing here runs: a wrong line doesn't compile. */
import { z } from "zod";
import {
  bearerAuth,
  createRpc,
  createServer,
  createTokenVerifier,
  type Server,
} from "../../src/index.js";
import type { kind } from "../../src/protocol/contract.js";

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <_Truth extends true>(): void => {};

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
const logged = rpc.topic({
  params: z.object({ board: z.string() }),
  event: z.object({ text: z.string() }),
  key: ({ board }) => board,
  history: {
    async *read({ params, after }) {
      const board: string = params.board;
      yield { offset: after + 1, data: { text: board } };
    },
    latest: ({ params }) => ({ epoch: params.board, offset: 0 }),
  },
});
rpc.topic({
  event: z.object({ text: z.string() }),
  key: () => "k",
  history: {
    // @ts-expect-error what read yields must be an event
    read: async function* () {
      yield { offset: 1, data: { text: 1 } };
    },
    latest: () => ({ epoch: "1", offset: 0 }),
  },
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
      async subscribed(_connection, { name, params, auth }, { publish, notify, reauthorize }) {
        const told: readonly [string, unknown, string] = [name, params, auth.subject];
        await publish(app.routes.prices, { symbol: told[0] }, { price: 1 });
        // @ts-expect-error an event that doesn't fit
        await publish(app.routes.prices, { symbol: "BTC" }, { price: "1" });
        // @ts-expect-error no notification has this name
        await notify("all", "order.updatd", { id: "o1" });
        await reauthorize({ topic: app.routes.prices, params: { symbol: "BTC" } });
      },
      unsubscribed(_connection, { reason }) {
        // @ts-expect-error no subscription ends for this reason
        return reason === "bored";
      },
    },
  });
  await server.publish(logged, { board: "b" }, { text: "t" }, { offset: 1 });
  // @ts-expect-error a topic with a log of its own needs the offset
  await server.publish(logged, { board: "b" }, { text: "t" });
  // @ts-expect-error and no other takes one
  await server.publish(app.routes.prices, { symbol: "BTC" }, { price: 1 }, { offset: 1 });
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

/** The contract of a topic knows the type of its snapshots, as it is in JSON. */
export function snapshots(): void {
  const params = z.object({ board: z.string() });
  const shared = { params, key: () => "cards" };
  const cards = rpc.topic({
    ...shared,
    snapshot: async ({ params: { board }, auth, signal }) => ({
      ...{ board, of: auth.subject, isOver: signal.aborted, at: new Date() },
    }),
  });
  type State = (typeof cards)[typeof kind]["state"];
  holds<Equal<State, { board: string; of: string; isOver: boolean; at: string }>>();
  const counted = rpc.topic({ ...shared, snapshot: () => 1 });
  holds<Equal<(typeof counted)[typeof kind]["state"], number>>();
  const nothing = rpc.topic({ ...shared, snapshot: () => undefined });
  holds<Equal<(typeof nothing)[typeof kind]["state"], null>>();
  const bare = rpc.topic(shared);
  holds<Equal<(typeof bare)[typeof kind]["state"], undefined>>();
  // @ts-expect-error params that the schema does not have
  rpc.topic({ ...shared, snapshot: ({ params: { bord } }) => bord });
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

/** What the compiler infers of each form of `auth`. */
export async function accepts(): Promise<readonly unknown[]> {
  createServer(app, { auth: [auth, auth] });
  createServer(app, {
    auth: async (issuer) => (issuer.startsWith("https://") ? { ...auth, issuer } : null),
  });
  createServer(app, {
    auth: [auth, (issuer, { signal }) => (signal.aborted ? null : { ...auth, issuer })],
  });
  createServer(app, {
    auth: {
      issuer: "api-keys",
      verify: async (token, { signal }) =>
        token.startsWith("key_") && !signal.aborted
          ? { subject: "ada", expiresAt: new Date(), scopes: ["read"], claims: { plan: "pro" } }
          : null,
    },
  });
  // @ts-expect-error expiresAt is required
  createServer(app, { auth: { verify: async () => ({ subject: "ada" }) } });
  // @ts-expect-error a number is no issuer
  createServer(app, { auth: async (issuer: number) => ({ ...auth, issuer: String(issuer) }) });
  // @ts-expect-error nothing is neither options nor null
  createServer(app, { auth: async () => undefined });

  const server = createServer(app, { auth });
  const verified = await server.verify("token");
  const subject: string = verified.subject;
  // @ts-expect-error claims are unknown without a schema
  const plan: string = verified.claims.plan;
  const tokens = createTokenVerifier(auth, { claims: z.object({ plan: z.string() }) });
  const known: string = (await tokens.verify("token")).claims.plan;
  const bearer = bearerAuth(tokens);
  const alsoKnown: string = bearer.authOf({}).claims.plan;
  const untyped: unknown = (await createTokenVerifier(auth).verify("token")).claims.plan;
  return [subject, plan, known, alsoKnown, untyped];
}
