/** json-rpc-2.0 over `ws`, as its README shows it. */
import { once } from "node:events";
import { JSONRPCServer } from "json-rpc-2.0";
import { WebSocketServer } from "ws";
import { serve } from "../lib/serve.mjs";

serve(async () => {
  const rpc = new JSONRPCServer();
  rpc.addMethod("orders.get", (params) => params);
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("message", async (data) => {
      const response = await rpc.receive(JSON.parse(data));
      if (response !== null) socket.send(JSON.stringify(response));
    });
  });
  await once(server, "listening");
  return server.address().port;
});
