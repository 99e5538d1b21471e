/** A client of the board on rpc-websockets. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "rpc-websockets";
import { type Card, newest } from "../../../board/cards.ts";
import { type BoardClient, ConflictError } from "../../lib/board-client.ts";
import { Session, SignedOutError } from "../session.ts";

interface Watch {
  cards: Card[];
  readonly show: (cards: readonly Card[]) => void;
  readonly ended: (why: string) => void;
}

export function connect(url: string): BoardClient {
  const session = new Session(url);
  const watches = new Map<string, Watch>();
  const socket = new Client(url.replace("http", "ws"), {
    autoconnect: false,
    reconnect_interval: 500,
    max_reconnects: 0,
  });
  let isLoggedIn = false;
  let isClosed = false;

  function close() {
    isClosed = true;
    socket.setAutoReconnect(false);
    socket.close();
  }

  // region: session
  socket.on("open", async () => {
    try {
      await socket.login({ token: await session.token() });
      isLoggedIn = true;
      for (const [board, watch] of watches) subscribe(board, watch);
    } catch (error) {
      session.expire();
      if (!(error instanceof SignedOutError)) return socket.close(4000); // and comes back
      close();
      for (const { ended } of watches.values()) ended(error.message);
      watches.clear();
    }
  });
  socket.on("close", (code: number) => {
    isLoggedIn = false;
    if (code === 4401) session.expire();
  });
  // endregion

  // region: recovery
  /** Calls until the server answers: what it may have run is harmless to run again. */
  async function call<T>(method: string, params: object): Promise<T> {
    while (!isClosed) {
      try {
        if (isLoggedIn) return (await socket.call(method, params, 5_000)) as T;
      } catch (error) {
        if (!(error instanceof Error)) throw error; // a plain object is the server's
      }
      await delay(100);
    }
    throw new Error("closed");
  }
  // endregion

  // region: live
  function news(watch: Watch | undefined, cards: readonly Card[]) {
    if (watch === undefined) return;
    watch.cards = cards.reduce(newest, watch.cards);
    watch.show(watch.cards);
  }
  function end(board: string, why: string) {
    watches.get(board)?.ended(why);
    watches.delete(board);
  }
  function subscribe(board: string, watch: Watch) {
    const after = Math.max(0, ...watch.cards.map(({ version }) => version));
    call<Card[]>("watch", { board, after }).then(
      (cards) => news(watch, cards),
      (error) => end(board, error.message),
    );
  }
  socket.on("cards", (board: string, cards: Card[]) => news(watches.get(board), cards));
  socket.on("removed", (board: string) => end(board, "forbidden"));
  // endregion

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
      if (isLoggedIn) subscribe(board, watch);
    },
    // endregion
    add: (board, title) => call("add", { board, id: randomUUID(), title }),
    move: (board, id, column, version) =>
      call<void>("move", { board, id, column, version }).catch((error) => {
        throw error.code === 409 ? new ConflictError() : error;
      }),
    removeMember: (board, user) => call("removeMember", { board, user }),
    close,
  };
}
