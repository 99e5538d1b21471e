import { once } from "node:events";
import { initTRPC } from "@trpc/server";
import { applyWSSHandler } from "@trpc/server/adapters/ws";
import { WebSocketServer } from "ws";
import { serve } from "../lib/serve.mjs";

serve(async () => {
  const t = initTRPC.create();
  const unchecked = (input) => input; // tRPC hands on only what a parser returned
  const router = t.router({
    orders: t.router({ get: t.procedure.input(unchecked).query(({ input }) => input) }),
  });
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  applyWSSHandler({ wss: server, router });
  await once(server, "listening");
  return server.address().port;
});
