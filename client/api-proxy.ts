import type { CallOptions } from "./client-api.js";
import type { SubscribeOptions } from "./subscription.js";

export type Invoke = (name: string, params?: unknown, options?: CallOptions & SubscribeOptions) => Promise<unknown>;

/** Names that the language itself asks for: as methods they would turn `await api` or `JSON.stringify(api)` into calls. */
const notMethods: ReadonlySet<PropertyKey> = new Set(["then", "toJSON"]);

/** `api.orders.create(params, options)` → `invoke("orders.create", params, options)`. Each node is made once. */
export function createApi(invoke: Invoke, path = ""): unknown {
  const members = new Map<string, unknown>();
  const method = (params?: unknown, options?: CallOptions & SubscribeOptions) => invoke(path, params, options);
  return new Proxy(method, {
    get(_, name) {
      if (typeof name === "symbol" || notMethods.has(name)) return undefined;
      let member = members.get(name);
      if (member === undefined) {
        member = createApi(invoke, path === "" ? name : `${path}.${name}`);
        members.set(name, member);
      }
      return member;
    },
  });
}
