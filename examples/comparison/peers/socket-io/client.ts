/** A client of the board on socket.io. */
import { randomUUID } from "node:crypto";
import { io, type Socket } from "socket.io-client";
import { type Card, newest } from "../../../board/cards.ts";
import { type BoardClient, ConflictError } from "../../lib/board-client.ts";
import { Session, SignedOutError } from "../session.ts";
import type { Answer, ClientEvents, ServerEvents } from "./server.ts";

interface Watch {
  cards: Card[];
  readonly show: (cards: readonly Card[]) => void;
  readonly ended: (why: string) => void;
}

export function connect(url: string): BoardClient {
  const session = new Session(url);
  const watches = new Map<string, Watch>();
  let isClosed = false;

  const socket: Socket<ServerEvents, ClientEvents> = io(url, {
    transports: ["websocket"],
    autoConnect: false,
    forceNew: true,
    reconnectionDelay: 500,
    reconnectionDelayMax: 20_000,
    // region: recovery
    retries: Number.POSITIVE_INFINITY, // what the server may have run is harmless to run again
    ackTimeout: 5_000,
    // endregion
    // region: session
    auth: (give) =>
      session.token().then(
        (token) => give({ token }),
        (error) =>
          error instanceof SignedOutError ? leave(error.message) : socket.disconnect() && retry(),
      ),
    // endregion
  });

  // region: session
  const leave = (why: string) => {
    socket.disconnect();
    for (const [board, { ended }] of watches) {
      watches.delete(board);
      ended(why);
    }
  };
  const retry = (delay = 500) => {
    session.expire();
    setTimeout(() => isClosed || socket.connect(), delay);
  };
  // neither is followed by a reconnection of its own
  socket.on("disconnect", (reason) => reason === "io server disconnect" && retry(0));
  socket.on("connect_error", ({ message }) => message === "signed out" && retry());
  // endregion

  // region: live
  const news = (watch: Watch | undefined, cards: readonly Card[]) => {
    if (watch === undefined) return;
    watch.cards = cards.reduce(newest, watch.cards);
    watch.show(watch.cards);
  };
  const subscribe = async (board: string, watch: Watch) => {
    const after = Math.max(0, ...watch.cards.map(({ version }) => version));
    const answer = await socket.emitWithAck("watch", { board, after });
    if ("ok" in answer) news(watch, answer.ok);
    else if (watches.delete(board)) watch.ended(answer.error);
  };
  socket.on("connect", () => {
    for (const [board, watch] of watches) subscribe(board, watch);
  });
  socket.on("cards", (board, cards) => news(watches.get(board), cards));
  socket.on("removed", (board) => {
    watches.get(board)?.ended("forbidden");
    watches.delete(board);
  });
  // endregion

  const check = (answer: Answer) => {
    if ("ok" in answer) return;
    throw answer.error === "conflict" ? new ConflictError() : new Error(answer.error);
  };

  return {
    async login(user, password) {
      await session.login(user, password);
      socket.connect();
    },
    signOutEverywhere: () => session.signOutEverywhere(),
    // region: live
    watch(board, show, ended) {
      const watch = { cards: [], show, ended };
      watches.set(board, watch);
      if (socket.connected) subscribe(board, watch);
    },
    // endregion
    add: async (board, title) =>
      check(await socket.emitWithAck("add", { board, id: randomUUID(), title })),
    move: async (board, id, column, version) =>
      check(await socket.emitWithAck("move", { board, id, column, version })),
    removeMember: async (board, user) =>
      check(await socket.emitWithAck("removeMember", { board, user })),
    close() {
      isClosed = true;
      socket.disconnect();
    },
  };
}
