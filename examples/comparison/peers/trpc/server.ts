/** The board on tRPC: mutations, and a subscription that is a generator, over a WebSocket. */
import { EventEmitter, on } from "node:events";
import { initTRPC, TRPCError, tracked } from "@trpc/server";
import { applyWSSHandler, type CreateWSSContextFnOptions } from "@trpc/server/adapters/ws";
import express from "express";
import { WebSocketServer } from "ws";
import { z } from "zod";
import { type Card, columns } from "../../../board/cards.ts";
import { openBoardStore } from "../../../board/store.ts";
import { Accounts } from "../accounts.ts";

const { PORT = "8080", DATABASE = "board.db", STATE = "." } = process.env;
const store = openBoardStore(DATABASE);
const accounts = new Accounts(STATE);
for (const user of ["ada", "bob"]) await accounts.addUser(user, "correct horse battery");
const changes = new EventEmitter().setMaxListeners(0);

// region: session
async function createContext({ info, res: socket }: CreateWSSContextFnOptions) {
  const login = await accounts.verify(info.connectionParams?.token);
  const unguard = accounts.guard(login, () => socket.close(4401, "signed out"));
  socket.once("close", unguard);
  return { user: login.user };
}
// endregion

const t = initTRPC.context<typeof createContext>().create();

// region: permission
const member = t.procedure.input(z.object({ board: z.string() })).use(({ ctx, input, next }) => {
  if (!store.isMember(input.board, ctx.user)) throw new TRPCError({ code: "FORBIDDEN" });
  return next();
});
// endregion

const router = t.router({
  add: member
    .input(z.object({ id: z.uuid(), title: z.string().min(1).max(200) }))
    .mutation(({ input: { board, id, title } }) => {
      changes.emit(board, store.addCard(board, title, id));
    }),
  move: member
    .input(z.object({ id: z.uuid(), column: z.enum(columns), version: z.int() }))
    .mutation(({ input: { board, id, column, version } }) => {
      const card = store.moveCard(board, id, column, version);
      if (card === undefined) throw new TRPCError({ code: "CONFLICT" });
      changes.emit(board, card);
    }),
  removeMember: member
    .input(z.object({ user: z.string() }))
    .mutation(({ input: { board, user } }) => {
      store.removeMember(board, user);
      changes.emit(board); // wakes the subscriptions, which ask again
    }),
  // region: live
  cards: member
    .input(z.object({ lastEventId: z.coerce.number().nullish() })) // the newest that the client has
    .subscription(async function* ({ ctx, input: { board, lastEventId }, signal }) {
      const events = on(changes, board, { signal }); // listens before it reads
      let last = lastEventId ?? 0;
      for (const card of store.cards(board, last)) {
        last = card.version;
        yield tracked(String(last), card);
      }
      for await (const [card] of events as AsyncIterable<[Card?]>) {
        if (!store.isMember(board, ctx.user)) throw new TRPCError({ code: "FORBIDDEN" });
        if (card && card.version > last) yield tracked(String(card.version), card);
      }
    }),
  // endregion
});
export type Router = typeof router;

const http = express().use(accounts.routes).listen(Number(PORT), "localhost");
const wss = new WebSocketServer({ server: http, path: "/trpc" });
const handler = applyWSSHandler({ wss, router, createContext });
http.once("listening", () => process.stdout.write(`listening on http://localhost:${PORT}\n`));

// region: recovery
process.once("SIGTERM", () => {
  handler.broadcastReconnectNotification();
  wss.close();
  http.close();
  setTimeout(() => {
    for (const socket of wss.clients) socket.close(1001); // where nobody else takes the clients
  }, 200);
});
// endregion
