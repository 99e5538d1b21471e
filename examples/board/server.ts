/** The board's server: Express, jotwire and its embedded issuer on one port. */
import type { AddressInfo } from "node:net";
import express from "express";
import { type Auth, createRpc, createServer } from "jotwire";
import { createIssuer, fileStore } from "jotwire/issuer";
import { z } from "zod";
import { columns } from "./cards.ts";
import { openBoardStore } from "./store.ts";

const { PORT = "8080", DATABASE = "board.db", STATE = "state" } = process.env;
const store = openBoardStore(DATABASE);

const board = z.object({ board: z.string() });
const card = z.object({
  id: z.uuid(),
  title: z.string().min(1).max(200),
  column: z.enum(columns),
  version: z.number(),
});
const rpc = createRpc().with({
  authorize: ({ auth, params }: { auth: Auth; params: { board: string } }) =>
    store.isMember(params.board, auth.subject),
});

const cards = rpc.topic({
  params: board,
  event: card,
  key: (params) => params.board,
  snapshot: ({ params }) => store.cards(params.board),
  history: {
    async *read({ params, after }) {
      for (const data of store.cards(params.board, after)) yield { offset: data.version, data };
    },
    latest: ({ params }) => store.latest(params.board),
  },
});

const app = rpc.router({
  cards,
  members: rpc.method({
    params: board,
    handler: ({ params }) => store.members(params.board),
  }),
  removeMember: rpc.method({
    params: board.extend({ user: z.string() }),
    async handler({ params, reauthorize }) {
      store.removeMember(params.board, params.user);
      await reauthorize({ subject: params.user });
    },
  }),
  add: rpc.method({
    params: board.extend(card.pick({ id: true, title: true }).shape),
    async handler({ params, publish }) {
      const added = store.addCard(params.board, params.title, params.id);
      await publish(cards, { board: params.board }, added, { offset: added.version });
      return added;
    },
  }),
  move: rpc.method({
    params: board.extend(card.omit({ title: true }).shape),
    errors: { CONFLICT: { code: 1, message: "somebody else has changed the card" } },
    async handler({ params, publish, error }) {
      const moved = store.moveCard(params.board, params.id, params.column, params.version);
      if (!moved) throw error.CONFLICT();
      await publish(cards, { board: params.board }, moved, { offset: moved.version });
      return moved;
    },
  }),
});
export type App = typeof app;

const issuer = await createIssuer({
  issuer: process.env.ORIGIN ?? "http://localhost:8080",
  audience: "board",
  store: fileStore(STATE),
  accessTokenTtl: Number(process.env.TOKEN_SECONDS ?? 300) * 1_000,
  cookie: true,
});
const isPublic = issuer.issuer.startsWith("https:"); // where everybody could log in as them
for (const user of isPublic ? [] : ["ada", "bob"])
  if (!(await issuer.users.get(user))) await issuer.users.add(user, "correct horse battery");

const server = createServer(app, { auth: issuer });
const web = express();
web.use(async (request, response, next) => {
  if (!(await server.handle(request, response))) next();
});
web.use(express.static(`${import.meta.dirname}/dist`));
const http = web.listen(Number(PORT), "localhost", (error) => {
  if (error) throw error;
  process.stdout.write(`listening on http://localhost:${(http.address() as AddressInfo).port}\n`);
});
server.attach(http);
process.once("SIGTERM", async () => {
  await server.close({ drain: 2_000 });
  http.close(() => store.close());
});
