/** The board on rpc-websockets: methods, and notifications to those who watch a board. */
import { createServer, type IncomingMessage } from "node:http";
import express from "express";
import { Server } from "rpc-websockets";
import { z } from "zod";
import { type Card, columns } from "../../../board/cards.ts";
import { openBoardStore } from "../../../board/store.ts";
import { Accounts } from "../accounts.ts";

const { PORT = "8080", DATABASE = "board.db", STATE = "." } = process.env;
const store = openBoardStore(DATABASE);
const accounts = new Accounts(STATE);
for (const user of ["ada", "bob"]) await accounts.addUser(user, "correct horse battery");

const http = createServer(express().use(accounts.routes));
const rpc = new Server({
  server: http,
  // region: session
  // a client may choose its id, and with it take over another's login
  verifyClient: ({ req }: { req: IncomingMessage }) => req.url === "/",
  // endregion
});
const socketOf = (id: string) => rpc.of("/").clients().clients.get(id);

// region: session
const users = new Map<string, string>(); // by socket
rpc.setAuth(async ({ token }, id) => {
  const login = await accounts.verify(token).catch(() => undefined);
  const socket = socketOf(id);
  if (login === undefined || socket === undefined) return false;
  const unguard = accounts.guard(login, () => socket.close(4401, "signed out"));
  socket.once("close", unguard);
  users.set(id, login.user);
  return true;
});
rpc.on("disconnection", ({ _id: id }: { _id: string }) => {
  users.delete(id);
  for (const ids of watchers.values()) ids.delete(id);
});
// endregion

// region: permission
/** Registers a method for the members of a board. */
function member<Params extends { board: string }>(
  name: string,
  schema: z.ZodType<Params>,
  handle: (params: Params, id: string) => unknown,
) {
  const method = rpc.register(name, (params, id) => {
    const { success, data } = schema.safeParse(params);
    if (!success) throw rpc.createError(-32602, "Invalid params", "");
    if (!store.isMember(data.board, users.get(id) ?? "")) throw forbidden;
    return handle(data, id);
  });
  method.protected();
}
const forbidden = rpc.createError(-32003, "forbidden", "");
// endregion

// region: live
// an event of the library would be open to everybody who is logged in
const watchers = new Map<string, Set<string>>(); // sockets by board
function notify(ids: Iterable<string>, notification: string, ...params: unknown[]) {
  const frame = JSON.stringify({ notification, params });
  for (const id of ids) socketOf(id)?.send(frame);
}
function publish(board: string, card: Card) {
  notify(watchers.get(board) ?? [], "cards", board, [card]);
}
// endregion

const board = z.string();
const cardId = z.uuid();
const title = z.string().min(1).max(200);
member("add", z.object({ board, id: cardId, title }), ({ board, id, title }) => {
  publish(board, store.addCard(board, title, id));
  return true;
});
const moving = z.object({ board, id: cardId, column: z.enum(columns), version: z.int() });
member("move", moving, ({ board, id, column, version }) => {
  const card = store.moveCard(board, id, column, version);
  if (card === undefined) throw rpc.createError(409, "conflict", "");
  publish(board, card);
  return true;
});
member("removeMember", z.object({ board, user: z.string() }), ({ board, user }) => {
  store.removeMember(board, user);
  // region: permission
  const removed = [...(watchers.get(board) ?? [])].filter((id) => users.get(id) === user);
  for (const id of removed) watchers.get(board)?.delete(id);
  notify(removed, "removed", board);
  // endregion
  return true;
});
// region: live
member("watch", z.object({ board, after: z.int() }), ({ board, after }, id) => {
  watchers.set(board, (watchers.get(board) ?? new Set()).add(id));
  return store.cards(board, after);
});
// endregion

http.listen(Number(PORT), "localhost", () => {
  process.stdout.write(`listening on http://localhost:${PORT}\n`);
});
// region: recovery
process.once("SIGTERM", () => {
  rpc.close();
  http.close();
  for (const socket of rpc.wss.clients) socket.close(1001, "restart"); // close() leaves them open
});
// endregion
