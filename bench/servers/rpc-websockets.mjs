import { once } from "node:events";
import { Server } from "rpc-websockets";
import { serve } from "../lib/serve.mjs";

serve(async () => {
  const server = new Server({ host: "127.0.0.1", port: 0 });
  server.register("orders.get", (params) => params);
  await once(server, "listening");
  return server.wss.address().port;
});
