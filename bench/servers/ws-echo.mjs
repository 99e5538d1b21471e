/** Bare `ws`: every message goes back as it came. */
import { once } from "node:events";
import { WebSocketServer } from "ws";
import { serve } from "../lib/serve.mjs";

serve(async () => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await once(server, "listening");
  return server.address().port;
});
