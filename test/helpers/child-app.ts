/** A server in a process of its own: `JOTWIRE_CHILD` says whose tokens it takes, and its limits. Prints its URL; ends on SIGTERM. */
import { z } from "zod";
import { createRpc, createServer, type Limits } from "../../src/index.js";
import { sampleApp } from "./test-server.js";
import type { TestKeys } from "./tokens.js";

const { publicJwk, limits } = JSON.parse(process.env.JOTWIRE_CHILD ?? "{}") as {
  readonly publicJwk: TestKeys["publicJwk"];
  readonly limits: Partial<Limits>;
};

const rpc = createRpc({ scopes: ["numbers:add", "admin"], notifications: { "numbers.changed": z.object({ sum: z.number() }) } });
const { fail: _fail, subtract: _subtract, ...routes } = sampleApp().routes; // whose handlers fail for some params, which is logged as an error
const subtract = rpc.method({
  params: z.tuple([z.number(), z.number()]),
  handler: ({ params: [minuend, subtrahend] }) => minuend - subtrahend,
});
const memory = rpc.method({
  handler() {
    globalThis.gc?.();
    return process.memoryUsage();
  },
});

const auth = { issuer: "https://id.test", audience: "test", publicKey: publicJwk };
const server = createServer(rpc.router({ ...routes, subtract, memory }), { auth, limits });
const { url } = await server.listen(0);
process.stdout.write(`${url}\n`);
process.once("SIGTERM", () => void server.close());
