import { createRpc } from "../../../src/index.js";

/** The methods of the examples in JSON-RPC 2.0 §7. */
export function specApp() {
  const rpc = createRpc();
  const done: string[] = [];
  const app = rpc.router({
    subtract: rpc.method({ handler: ({ params }) => difference(params) }),
    sum: rpc.method({
      handler: ({ params }) => (params as number[]).reduce((total, each) => total + each, 0),
    }),
    get_data: rpc.method({ handler: () => ["hello", 5] }),
    update: rpc.method({ handler: () => void done.push("update") }),
    notify_hello: rpc.method({ handler: () => void done.push("notify_hello") }),
    notify_sum: rpc.method({ handler: () => void done.push("notify_sum") }),
    echo: rpc.method({ handler: ({ params }) => params ?? "nothing" }),
    laterEcho: rpc.method({ handler: async ({ params }) => params ?? "nothing" }),
  });
  /** `done`: the notifications that ran. */
  return { app, done };
}

function difference(params: unknown): number {
  const [minuend, subtrahend] = Array.isArray(params)
    ? params
    : ["minuend", "subtrahend"].map((name) => Reflect.get(Object(params), name));
  return minuend - subtrahend;
}
