/** A client of the board on tRPC. */
import { randomUUID } from "node:crypto";
import { createTRPCClient, createWSClient, retryLink, TRPCClientError, wsLink } from "@trpc/client";
import { WebSocket } from "ws";
import { type Card, newest } from "../../../board/cards.ts";
import { type BoardClient, ConflictError } from "../../lib/board-client.ts";
import { Session, SignedOutError } from "../session.ts";
import type { Router } from "./server.ts";

export function connect(url: string): BoardClient {
  const session = new Session(url);
  const watches = new Set<(why: string) => void>();

  // region: session
  const socket = createWSClient({
    url: `${url.replace("http", "ws")}/trpc`,
    WebSocket: WebSocket as unknown as typeof globalThis.WebSocket,
    lazy: { enabled: true, closeMs: 5_000 },
    retryDelayMs: (attempt) => Math.min(500 * 2 ** attempt, 20_000) * Math.random(),
    async connectionParams() {
      try {
        return { token: await session.token() };
      } catch (error) {
        if (error instanceof SignedOutError) leave(error.message);
        throw error;
      }
    },
    onClose: (cause) => cause?.code === 4401 && session.expire(),
  });

  function leave(why: string) {
    for (const ended of watches) ended(why);
    watches.clear();
    socket.close();
  }
  // endregion

  const api = createTRPCClient<Router>({
    links: [
      // region: recovery
      retryLink({
        // no answer of the server: what it may have run is harmless to run again
        retry: ({ op, error }) => op.type === "mutation" && error.data === undefined && !closed,
        retryDelayMs: () => 200,
      }),
      // endregion
      wsLink({ client: socket }),
    ],
  });
  let closed = false;

  return {
    login: (user, password) => session.login(user, password),
    signOutEverywhere: () => session.signOutEverywhere(),
    // region: live
    watch(board, show, ended) {
      let cards: Card[] = [];
      watches.add(ended);
      api.cards.subscribe(
        { board },
        {
          onData({ data: card }) {
            cards = newest(cards, card);
            show(cards);
          },
          onError(error) {
            watches.delete(ended);
            ended(error.data?.code ?? error.message);
          },
        },
      );
    },
    // endregion
    add: (board, title) => api.add.mutate({ board, id: randomUUID(), title }),
    async move(board, id, column, version) {
      await api.move.mutate({ board, id, column, version }).catch((error: unknown) => {
        const conflict = error instanceof TRPCClientError && error.data?.code === "CONFLICT";
        throw conflict ? new ConflictError() : error;
      });
    },
    removeMember: (board, user) => api.removeMember.mutate({ board, user }),
    close() {
      closed = true;
      return socket.close();
    },
  };
}
