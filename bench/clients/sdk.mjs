import { jotwire } from "../lib/jotwire.mjs";
import { calling } from "./calling.mjs";

const { createClient } = await jotwire("client/node.js");

calling(async ({ url, token }) => {
  const client = createClient({ url, token: async () => token });
  await client.ready();
  return (params) => client.api.orders.get(params);
});
