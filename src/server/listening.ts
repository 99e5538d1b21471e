import { isIP } from "node:net";
import type { ServerOptions } from "./server-options.js";

/** Throws `TypeError` when tokens would cross a network in the clear. */
export function checkListening(host: string, { tls, trustProxy = [], allowInsecure = false }: ServerOptions): void {
  if (isLoopback(host) || tls !== undefined || trustProxy.length > 0 || allowInsecure) return;
  throw new TypeError(
    `tokens would cross the network in the clear on ${host}: give "tls", name the proxy that has it in "trustProxy", or set "allowInsecure" if you know better`,
  );
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** URL of the WebSocket; an address that means every interface is shown as localhost. */
export function urlOf(host: string, port: number, path: string, isSecure: boolean): string {
  const shown = host === "0.0.0.0" || host === "::" ? "localhost" : isIP(host) === 6 ? `[${host}]` : host;
  return `${isSecure ? "wss" : "ws"}://${shown}:${port}${path}`;
}
