/**
 * What one writes by hand: `ws` and a Map of pending ids. No time limit, no reconnecting, no
 * renewal.
 */
import { once } from "node:events";
import { WebSocket } from "ws";
import { calling } from "./calling.mjs";

calling(async ({ url, token }) => {
  const socket = new WebSocket(url);
  const pending = new Map();
  let nextId = 1;
  socket.on("message", (data) => {
    const { id, result, error } = JSON.parse(data);
    const { resolve, reject } = pending.get(id);
    pending.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error.message));
  });
  const call = (method, params) =>
    new Promise((resolve, reject) => {
      const id = nextId++;
      pending.set(id, { resolve, reject });
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  await once(socket, "open");
  await call("authenticate", { token });
  return (params) => call("orders.get", params);
});
