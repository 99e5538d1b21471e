/** The board on socket.io: acknowledged events, and a room for each board and each user. */
import { createServer } from "node:http";
import express from "express";
import { Server, type Socket } from "socket.io";
import { z } from "zod";
import { type Card, columns } from "../../../board/cards.ts";
import { openBoardStore } from "../../../board/store.ts";
import { Accounts, type Login } from "../accounts.ts";

const { PORT = "8080", DATABASE = "board.db", STATE = "." } = process.env;
const store = openBoardStore(DATABASE);
const accounts = new Accounts(STATE);
for (const user of ["ada", "bob"]) await accounts.addUser(user, "correct horse battery");

/** What an acknowledgement says. */
export type Answer<T = true> = { ok: T } | { error: "bad_request" | "forbidden" | "conflict" };
type Acknowledge<T = true> = (answer: Answer<T>) => void;

export interface ClientEvents {
  watch(params: { board: string; after: number }, acknowledge: Acknowledge<Card[]>): void;
  add(params: { board: string; id: string; title: string }, acknowledge: Acknowledge): void;
  move(
    params: { board: string; id: string; column: Card["column"]; version: number },
    acknowledge: Acknowledge,
  ): void;
  removeMember(params: { board: string; user: string }, acknowledge: Acknowledge): void;
}

export interface ServerEvents {
  cards(board: string, cards: Card[]): void;
  removed(board: string): void;
}

type BoardSocket = Socket<ClientEvents, ServerEvents, object, Login>;
const http = createServer(express().use(accounts.routes));
const io = new Server<ClientEvents, ServerEvents, object, Login>(http, {
  transports: ["websocket"],
  serveClient: false,
});

// region: session
io.use((socket, next) => {
  accounts.verify(socket.handshake.auth.token).then(
    (login) => {
      Object.assign(socket.data, login);
      next();
    },
    () => next(new Error("signed out")),
  );
});
io.on("connection", (socket) => {
  const unguard = accounts.guard(socket.data, () => socket.disconnect(true));
  socket.once("disconnect", unguard);
  socket.join(`user ${socket.data.user}`);
});
// endregion

// region: permission
/** Answers an event whose params fit, of a member of its board. */
function member<Params extends { board: string }, T>(
  socket: BoardSocket,
  schema: z.ZodType<Params>,
  handle: (params: Params) => Answer<T>,
) {
  return (params: unknown, acknowledge: Acknowledge<T>) => {
    const { success, data } = schema.safeParse(params);
    if (!success) return acknowledge({ error: "bad_request" });
    if (!store.isMember(data.board, socket.data.user)) return acknowledge({ error: "forbidden" });
    return acknowledge(handle(data));
  };
}
// endregion

const board = z.string();
const watching = z.object({ board, after: z.int() });
const adding = z.object({ board, id: z.uuid(), title: z.string().min(1).max(200) });
const moving = z.object({ board, id: z.uuid(), column: z.enum(columns), version: z.int() });
const removing = z.object({ board, user: z.string() });

io.on("connection", (socket) => {
  socket.on(
    "add",
    member(socket, adding, ({ board, id, title }) => {
      io.to(`board ${board}`).emit("cards", board, [store.addCard(board, title, id)]);
      return { ok: true };
    }),
  );
  socket.on(
    "move",
    member(socket, moving, ({ board, id, column, version }) => {
      const card = store.moveCard(board, id, column, version);
      if (card === undefined) return { error: "conflict" };
      io.to(`board ${board}`).emit("cards", board, [card]);
      return { ok: true };
    }),
  );
  socket.on(
    "removeMember",
    member(socket, removing, ({ board, user }) => {
      store.removeMember(board, user);
      io.in(`user ${user}`).socketsLeave(`board ${board}`);
      io.to(`user ${user}`).emit("removed", board);
      return { ok: true };
    }),
  );
  // region: live
  socket.on(
    "watch",
    member(socket, watching, ({ board, after }) => {
      socket.join(`board ${board}`);
      return { ok: store.cards(board, after) };
    }),
  );
  // endregion
});

http.listen(Number(PORT), "localhost", () => {
  process.stdout.write(`listening on http://localhost:${PORT}\n`);
});
process.once("SIGTERM", () => io.close()); // clients take it for a lost connection, and come back
