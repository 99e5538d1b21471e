/** SocketCluster's remote procedure calls, by the loops that its README shows. */
import { once } from "node:events";
import { createServer } from "node:http";
import socketCluster from "socketcluster-server";
import { serve } from "../lib/serve.mjs";

async function answerCalls(socket) {
  for await (const request of socket.procedure("orders.get")) request.end(request.data);
}

async function acceptSockets(server) {
  for await (const { socket } of server.listener("connection")) answerCalls(socket);
}

serve(async () => {
  const http = createServer();
  acceptSockets(socketCluster.attach(http));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return http.address().port;
});
