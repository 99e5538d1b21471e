/** `ws` with JSON: the least that a hand-written call can cost. Nothing is checked. */
import { once } from "node:events";
import { WebSocketServer } from "ws";
import { serve } from "../lib/serve.mjs";

serve(async () => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("message", (data) => {
      const { id, params } = JSON.parse(data);
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, result: params }));
    });
  });
  await once(server, "listening");
  return server.address().port;
});
