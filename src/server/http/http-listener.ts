import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type RequestListener,
} from "node:http";
import {
  createServer as createHttpsServer,
  type ServerOptions as ServerOptionsOfNode,
} from "node:https";
import { type AddressInfo, isIP } from "node:net";
import { isLoopback } from "../../runtime/ip-address.js";
import type { ServerOptions } from "../server-options.js";

const handshakeTimeouts = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 8_192,
};

/**
 * An HTTP server that gives slow and greedy peers little time and room. Throws `TypeError` when
 * `tls` can't be used.
 */
export function createListener(tls: ServerOptions["tls"], onRequest: RequestListener): HttpServer {
  const http =
    tls === undefined
      ? createHttpServer(handshakeTimeouts, onRequest)
      : createSecureListener(
          { ...handshakeTimeouts, handshakeTimeout: 5_000, minVersion: "TLSv1.2", ...tls },
          onRequest,
        );
  // by default Node drops the last ones unseen; their bytes are limited, and we refuse too many
  http.maxHeadersCount = 0;
  return http;
}

/** OpenSSL's own words name neither the option nor what it is about. */
function createSecureListener(
  options: ServerOptionsOfNode,
  onRequest: RequestListener,
): HttpServer {
  try {
    return createHttpsServer(options, onRequest);
  } catch (error) {
    throw new TypeError(
      `tls: cert and key can't be used, or don't belong together: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** Listens, and gives the port. Rejects when it can't be had. */
export async function openListener(http: HttpServer, port: number, host: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    http.once("error", reject);
    http.listen(port, host, () => {
      http.off("error", reject);
      resolve();
    });
  });
  return (http.address() as AddressInfo).port;
}

/** Takes no more connections. Resolves when those that there are have ended. */
export function closeListener(http: HttpServer | undefined): Promise<void> {
  if (http === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    http.close(() => resolve());
    http.closeIdleConnections();
  });
}

/** Throws `TypeError` if tokens would cross a network unencrypted. */
export function checkListening(
  host: string,
  { tls, trustProxy = [], allowInsecure = false }: ServerOptions,
): void {
  if (isLoopback(host) || tls !== undefined || trustProxy.length > 0 || allowInsecure) return;
  throw new TypeError(
    `tokens would cross the network unencrypted on ${host}; give "tls", name the proxy that has TLS in "trustProxy", or set "allowInsecure"`,
  );
}

/** URL of the WebSocket; an address that means every interface is shown as localhost. */
export function urlOf(host: string, port: number, path: string, isSecure: boolean): string {
  const shown =
    host === "0.0.0.0" || host === "::" ? "localhost" : isIP(host) === 6 ? `[${host}]` : host;
  return `${isSecure ? "wss" : "ws"}://${shown}:${port}${path}`;
}
