import { z } from "zod";
import { createRpc } from "../../../src/index.js";
import { memoryStore } from "../../../src/issuer/index.js";
import type { Bus } from "../../../src/pubsub/bus.js";
import { BoardRule } from "./board.js";
import type { TestServerOptions } from "./test-server.js";
import { startTimed } from "./timed-server.js";

export interface Card {
  readonly id: string;
  readonly text: string;
}

/** A snapshot that the test makes. */
export interface PendingSnapshot {
  readonly subject: string | undefined;
  readonly board: string;
  readonly signal: AbortSignal;
  resolve(state: unknown): void;
  reject(error: unknown): void;
}

/** Makes snapshots at once, or when the test says so. */
export class SnapshotDesk {
  /** Snapshots that are being made, in order. */
  readonly out: PendingSnapshot[] = [];
  readonly cards = new Map<string, Card>();
  /** Calls of the application's function. */
  made = 0;
  /** Whether snapshots wait until the test makes them. */
  isHeld = false;

  state(): readonly Card[] {
    return [...this.cards.values()];
  }

  make(board: string, signal: () => AbortSignal, subject?: string): unknown {
    this.made++;
    if (!this.isHeld) return this.state();
    return new Promise((resolve, reject) =>
      this.out.push({ subject, board, signal: signal(), resolve, reject }),
    );
  }

  /** Makes the oldest snapshot that is out, of the cards as they are now or were. */
  finish(state: unknown = this.state()): void {
    this.out.shift()?.resolve(state);
  }
}

/** Boards whose cards are a topic with a snapshot. */
export function liveBoardApp(desk = new SnapshotDesk()) {
  const rpc = createRpc({ scopes: ["boards"] });
  const rule = new BoardRule();
  for (const subject of ["ada", "bob", "eve"]) rule.allow(subject);
  const params = z.object({ board: z.string(), part: z.string().optional() });
  const shared = { scope: "boards" as const, params };
  const authorize = (given: {
    readonly auth: { readonly subject: string };
    readonly params: { readonly board: string };
    readonly signal: AbortSignal;
  }) => rule.ask(given.auth.subject, given.params.board, () => given.signal);
  const app = rpc.router({
    cards: rpc.topic({
      ...shared,
      authorize,
      key: ({ board }) => `cards:${board}`,
      history: { size: 8, ttl: Number.POSITIVE_INFINITY },
      snapshot: (context) => desk.make(context.params.board, () => context.signal),
    }),
    plain: rpc.topic({
      ...shared,
      authorize,
      key: ({ board }) => `plain:${board}`,
      snapshot: (context) => desk.make(context.params.board, () => context.signal),
    }),
    mine: rpc.topic({
      ...shared,
      key: ({ board }) => `mine:${board}`,
      snapshot: ({ params, auth, signal }) => desk.make(params.board, () => signal, auth.subject),
    }),
    ending: rpc.topic({
      ...shared,
      key: ({ board }) => `ending:${board}`,
      buffer: 2,
      overflow: "end",
      snapshot: ({ params, signal }) => desk.make(params.board, () => signal),
    }),
    bare: rpc.topic({ ...shared, key: ({ board }) => `bare:${board}` }),
    ticks: rpc.subscription({
      async *handler() {
        yield 1;
      },
    }),
  });
  return { app, desk, rule };
}

/** A server with live boards; several on one bus are the nodes of one deployment. */
export async function startLiveBoards(
  options: TestServerOptions = {},
  bus?: Bus,
  desk?: SnapshotDesk,
) {
  const boards = liveBoardApp(desk);
  const store = bus === undefined ? {} : { store: Object.assign(memoryStore(), { bus }) };
  const server = await startTimed(boards.app, { ...options, ...store });
  const login = (subject = "ada", claims: object = {}) =>
    server.login({ sub: subject, scope: "boards", ...claims });
  /** Changes a card, and publishes it then. */
  const put = async (
    id: string,
    text: string,
    topics: ("cards" | "plain" | "mine" | "ending")[],
  ) => {
    boards.desk.cards.set(id, { id, text });
    for (const topic of topics)
      await server.server.publish(boards.app.routes[topic], { board: "b1" }, { id, text });
  };
  return { ...server, ...boards, login, put };
}
