/** Bare `ws` with the heartbeat of its README ("How to detect and close broken connections?"). */
import { once } from "node:events";
import { WebSocketServer } from "ws";
import { serve } from "../lib/serve.mjs";

function heartbeat() {
  this.isAlive = true;
}

/** `interval`: milliseconds between two pings. */
serve(async ({ interval }) => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => {
    socket.isAlive = true;
    socket.on("error", () => {});
    socket.on("pong", heartbeat);
  });
  setInterval(() => {
    server.clients.forEach((socket) => {
      if (socket.isAlive === false) {
        socket.terminate();
        return;
      }
      socket.isAlive = false;
      socket.ping();
    });
  }, interval);
  await once(server, "listening");
  return server.address().port;
});
