/** Who is compared: its server, and what that hears. */
export const peers = {
  jotwire: { label: "jotwire", server: "servers/jotwire.mjs", dialect: "jotwire" },
  jotwireChecked: {
    label: "jotwire + zod",
    server: "servers/jotwire.mjs",
    dialect: "jotwireChecked",
  },
  ...Object.fromEntries(
    Object.entries({
      rules: "jotwire, an application with rules",
      rulesNow: "with authorize",
      rulesLater: "with asynchronous authorize",
      middleware: "with middleware",
      noSnapshot: "a topic without snapshot",
      snapshot: "a topic with snapshot",
    }).map(([dialect, label]) => [
      dialect,
      { label, server: "servers/jotwire-rules.mjs", dialect },
    ]),
  ),
  echo: { label: "bare ws echo", server: "servers/ws-echo.mjs", dialect: "jsonRpc" },
  verify: { label: "ws + jose jwtVerify", server: "servers/ws-verify.mjs", dialect: "verify" },
  jotwireFanOut: { label: "jotwire", server: "servers/jotwire.mjs", dialect: "jotwireSubscriber" },
  fanOut: { label: "bare ws", server: "servers/ws-fan-out.mjs", dialect: "jsonRpc" },
  heartbeat: {
    label: "bare ws with its heartbeat",
    server: "servers/ws-heartbeat.mjs",
    dialect: "jsonRpc",
  },
  json: { label: "ws + JSON", server: "servers/ws-json.mjs", dialect: "jsonRpc" },
  jsonRpc: { label: "json-rpc-2.0 on ws", server: "servers/json-rpc.mjs", dialect: "jsonRpc" },
  rpcWebsockets: {
    label: "rpc-websockets",
    server: "servers/rpc-websockets.mjs",
    dialect: "jsonRpc",
    env: {}, // brings the native helpers of ws itself
  },
  jayson: { label: "jayson", server: "servers/jayson.mjs", dialect: "jsonRpc" },
  trpc: { label: "tRPC", server: "servers/trpc.mjs", dialect: "trpc" },
  socketIo: { label: "socket.io", server: "servers/socket-io.mjs", dialect: "socketIo" },
  socketCluster: {
    label: "SocketCluster",
    server: "servers/socket-cluster.mjs",
    dialect: "socketCluster",
    package: "socketcluster-server",
  },
};

/** Those that a call is compared with, and of them those that speak JSON-RPC 2.0. */
export const jsonRpcPeers = ["jsonRpc", "rpcWebsockets", "jayson", "trpc"];
export const callPeers = ["jotwire", "echo", "json", ...jsonRpcPeers, "socketIo", "socketCluster"];
