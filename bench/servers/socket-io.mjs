/** socket.io with acknowledgements, over WebSockets only. */
import { once } from "node:events";
import { createServer } from "node:http";
import { Server } from "socket.io";
import { serve } from "../lib/serve.mjs";

serve(async () => {
  const http = createServer();
  const server = new Server(http, { transports: ["websocket"], serveClient: false });
  server.on("connection", (socket) =>
    socket.on("orders.get", (params, acknowledge) => acknowledge(params)),
  );
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return http.address().port;
});
