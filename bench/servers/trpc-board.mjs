/** The same board: tRPC, whose subscription is a generator that asks at each event. */
import { EventEmitter, on, once } from "node:events";
import { initTRPC } from "@trpc/server";
import { applyWSSHandler } from "@trpc/server/adapters/ws";
import { WebSocketServer } from "ws";
import { boardQuestions, isMember, removeMember } from "../lib/board.mjs";
import { serve } from "../lib/serve.mjs";

const t = initTRPC.context().create();
const unchecked = (input) => input; // tRPC hands on only what a parser returned

// #region application
const published = new EventEmitter().setMaxListeners(0);
const router = t.router({
  cards: t.procedure.subscription(async function* ({ ctx, signal }) {
    for await (const [card] of on(published, "card", { signal })) {
      if (!(await isMember(ctx.user))) return;
      yield card;
    }
  }),
  remove: t.procedure.input(unchecked).mutation(async ({ input }) => {
    await removeMember(input.user);
  }),
});
const publish = (card) => published.emit("card", card);
// #endregion

serve(async () => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  const createContext = ({ req }) => ({
    user: new URL(req.url, "ws://localhost").searchParams.get("user"),
  });
  applyWSSHandler({ wss: server, router, createContext });
  await once(server, "listening");
  return server.address().port;
}, boardQuestions(publish));
