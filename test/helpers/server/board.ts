import { z } from "zod";
import { createRpc } from "../../../src/index.js";
import { memoryStore } from "../../../src/issuer/index.js";
import type { StandardSchema } from "../../../src/protocol/standard-schema.js";
import type { Bus } from "../../../src/pubsub/bus.js";
import type { TestServerOptions } from "./test-server.js";
import { startTimed } from "./timed-server.js";

type Answer = boolean | Error;

/** The application's rule of a board: it answers at once, or when the test says so. */
export class BoardRule {
  /** Who may see which board. */
  readonly members = new Set<string>();
  /** Questions that are out, in order: settles the one that is called. */
  readonly out: ((answer: Answer) => void)[] = [];
  readonly signals: AbortSignal[] = [];
  asked = 0;
  /** Called when a token has been verified, just before it is put in force. */
  whenVerified: () => void = () => {};
  /** Whether questions wait until the test answers them. */
  isHeld = false;

  allow(subject: string, board = "b1"): void {
    this.members.add(`${subject} ${board}`);
  }

  remove(subject: string, board = "b1"): void {
    this.members.delete(`${subject} ${board}`);
  }

  ask(subject: string, board: string, signal: () => AbortSignal): boolean | Promise<boolean> {
    this.asked++;
    const isMember = this.members.has(`${subject} ${board}`);
    if (!this.isHeld) return isMember;
    this.signals.push(signal());
    return new Promise((resolve, reject) =>
      this.out.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer))),
    );
  }

  /** Answers all questions that are out as the members are now. */
  answerAll(answer: Answer = true): void {
    for (const settle of this.out.splice(0)) settle(answer);
  }
}

/** Takes all claims, in the turn in which their token is put in force. */
function claimsOf(rule: BoardRule): StandardSchema<Readonly<Record<string, unknown>>> {
  const validate = (value: unknown) => {
    rule.whenVerified();
    return { value: value as Readonly<Record<string, unknown>> };
  };
  return { "~standard": { version: 1, vendor: "test", validate } };
}

export function boardApp(rule = new BoardRule()) {
  const rpc = createRpc({ scopes: ["boards"], claims: claimsOf(rule) });
  const ran: string[] = [];
  const board = z.object({ board: z.string() });
  const authorize = (given: {
    readonly auth: { readonly subject: string };
    readonly params: { readonly board: string };
    readonly signal: AbortSignal;
  }) => rule.ask(given.auth.subject, given.params.board, () => given.signal);
  const shared = { scope: "boards" as const, params: board, authorize };
  const app = rpc.router({
    read: rpc.method({ ...shared, handler: ({ params }) => void ran.push(`read ${params.board}`) }),
    endless: rpc.method({ ...shared, timeout: Number.POSITIVE_INFINITY, handler: () => 1 }),
    open: rpc.method({ handler: () => void ran.push("open") }),
    cards: rpc.topic({ ...shared, key: (params) => params.board }),
    past: rpc.topic({
      ...shared,
      key: (params) => `past:${params.board}`,
      history: { size: 8, ttl: Number.POSITIVE_INFINITY },
    }),
    watched: rpc.topic({
      ...shared,
      key: (params) => `watched:${params.board}`,
      reauthorize: { every: 60_000 },
    }),
    count: rpc.subscription({
      ...shared,
      async *handler({ signal }) {
        for (let n = 1; !signal.aborted; n++) yield n;
      },
    }),
    /** Removes the caller, and has its own connection's rights asked again. */
    leave: rpc.method({
      params: board,
      async handler({ auth, params, connection }) {
        rule.remove(auth.subject, params.board);
        await connection.reauthorize();
      },
    }),
  });
  return { app, rule, ran };
}

/** A server with boards; several on one bus are the nodes of one deployment. */
export async function startBoards(options: TestServerOptions = {}, bus?: Bus, rule?: BoardRule) {
  const boards = boardApp(rule);
  const store = bus === undefined ? {} : { store: Object.assign(memoryStore(), { bus }) };
  const server = await startTimed(boards.app, { ...options, ...store });
  const login = (subject = "ada", claims: object = {}) =>
    server.login({ sub: subject, scope: "boards", ...claims });
  return { ...server, ...boards, login };
}
