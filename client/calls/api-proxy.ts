import type { CallOptions } from "../client-api.js";
import type { SubscribeOptions } from "../subscriptions/subscription.js";

export type Invoke = (
  name: string,
  params?: unknown,
  options?: CallOptions & SubscribeOptions,
) => Promise<unknown>;

/**
 * Names that the language itself asks for: as methods, `await api`, `JSON.stringify(api)`,
 * `${api}`, `api == 1` and `api.bind` would be calls.
 */
const own = /^(then|toJSON|toString|valueOf|bind)$/;

/**
 * `api.orders.create(params, options)` → `invoke("orders.create", params, options)`. Each node is
 * made once.
 */
export function createApi(invoke: Invoke, path = ""): unknown {
  const members: Record<string, unknown> = Object.create(null);
  const method = (params?: unknown, options?: CallOptions & SubscribeOptions) =>
    invoke(path.slice(1), params, options);
  return new Proxy(method, {
    get(_, name) {
      // what any function has, which is no iterator
      if (typeof name === "symbol" || own.test(name)) return method[name as keyof typeof method];
      members[name] ??= createApi(invoke, `${path}.${name}`);
      return members[name];
    },
  });
}
