import { once } from "node:events";
import jayson from "jayson";
import { WebSocketServer } from "ws";
import { serve } from "../lib/serve.mjs";

serve(async () => {
  const rpc = new jayson.Server({ "orders.get": (params, callback) => callback(null, params) });
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  rpc.websocket({ wss: server });
  await once(server, "listening");
  return server.address().port;
});
