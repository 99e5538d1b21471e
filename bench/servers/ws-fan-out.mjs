/** Bare `ws` that sends an event to everybody, by the loop of its README ("Server broadcast"). */
import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";
import { eventOf, inTurns } from "../lib/events.mjs";
import { serve } from "../lib/serve.mjs";

let server;

/** As long as a jotwire event, to the byte. */
function broadcast(number, padding) {
  const params = { subscription: "prices A1", data: eventOf(number, padding) };
  const text = JSON.stringify({ jsonrpc: "2.0", method: "subscription.event", params });
  for (const client of server.clients) if (client.readyState === WebSocket.OPEN) client.send(text);
}

serve(
  async () => {
    server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    server.on("connection", (socket) => socket.on("error", () => {}));
    await once(server, "listening");
    return server.address().port;
  },
  {
    publish: (plan) => inTurns(plan, broadcast),
  },
);
