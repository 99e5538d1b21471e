/** The client for Node: the same as in browsers, with sockets of the package `ws`. */
import type { Client, ClientOptions, Untyped } from "./browser.js";
import { createClient as createClientOver } from "./browser.js";
import { NodeSocket } from "./node-socket.js";
import { defaultMaxFrameBytes } from "./options.js";

export * from "./browser.js";

/**
 * Makes a client of one server. The client connects at its first use (see the option `connect`),
 * renews its session in time, and reconnects after a loss. An open client keeps the process
 * running.
 *
 * @throws {TypeError} if an option doesn't exist or is out of its range
 * @example
 * ```ts
 * await using client = createClient<App>({
 *   url: "ws://localhost:8080/rpc",
 *   token: () => process.env.TOKEN ?? null,
 * });
 * console.log(await client.api.orders.list());
 * ```
 */
export function createClient<App = Untyped>(options: ClientOptions<App>): Client<App> {
  const { maxFrameBytes = defaultMaxFrameBytes } = options;
  class LimitedSocket extends NodeSocket {
    constructor(url: string, protocols: string) {
      super(url, protocols, maxFrameBytes);
    }
  }
  return createClientOver<App>({ ...options, WebSocket: options.WebSocket ?? LimitedSocket });
}
