import { createRpc } from "jotwire";

const rpc = createRpc({ scopes: ["orders:read"] });

/** Your own application stands here. */
export const app = rpc.router({
  orders: { count: rpc.method({ scope: "orders:read", handler: () => 0 }) },
});
