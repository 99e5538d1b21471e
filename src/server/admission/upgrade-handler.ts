import { randomFillSync } from "node:crypto";
import type { Server as HttpServer, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { v7 } from "uuid";
import { WebSocket, type WebSocketServer } from "ws";
import { Connection, type ConnectionServices } from "../connection/connection.js";
import type { Readiness } from "../http/readiness.js";
import type { ConnectionRegistry } from "../lifecycle/connection-registry.js";
import type { Observability } from "../metrics/observability.js";
import type { AcceptLimits } from "./accept-limits.js";
import {
  pathOf,
  refuseUpgrade,
  type UpgradeChecks,
  type UpgradeRefusal,
} from "./upgrade-checks.js";
import { guardStream, webSocketsOn } from "./web-socket-server.js";

const shuttingDown: UpgradeRefusal = {
  status: 503,
  message: "the server is shutting down",
  retryAfter: 1,
};

export interface UpgradeParts {
  /** The path of the WebSocket, unless an HTTP server is listened to at another one. */
  readonly path: string;
  /** The peer's address, seen through trusted proxies. */
  readonly addressOf: (request: IncomingMessage) => string;
  readonly readiness: Readiness;
  readonly acceptLimits: AcceptLimits;
  readonly checks: UpgradeChecks;
  readonly webSockets: WebSocketServer;
  readonly connections: ConnectionRegistry;
  readonly services: ConnectionServices;
  readonly observability: Observability;
}

/** Answers HTTP requests for a WebSocket: makes a connection of each that it does not refuse. */
export class UpgradeHandler {
  readonly #parts: UpgradeParts;
  /** Of each HTTP server that is listened to, without a slash at its end. */
  readonly #paths: string[] = [];

  constructor(parts: UpgradeParts) {
    this.#parts = parts;
  }

  /**
   * Handles the upgrades of an HTTP server for one path. Those for another path are left to other
   * listeners, and answered with 404 when there are none. `onUpgrade` hears of each one first.
   * Returns the function that stops.
   */
  listen(http: HttpServer, path: string, onUpgrade?: (stream: Duplex) => void): () => void {
    const own = withoutSlash(path);
    const listener = (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      onUpgrade?.(stream);
      if (withoutSlash(pathOf(request)) === own)
        this.#handleAmongOthers(http, path, request, stream, head);
      else if (http.listenerCount("upgrade") === 1) {
        guardStream(stream);
        refuseUpgrade(stream, { status: 404, message: `the WebSocket is at ${path}` });
      }
    };
    http.on("upgrade", listener);
    this.#paths.push(own);
    return () => http.off("upgrade", listener);
  }

  /** Returns whether upgrades for this path are taken. */
  isAt(path: string): boolean {
    const { path: configured } = this.#parts;
    const paths = this.#paths.length > 0 ? this.#paths : [withoutSlash(configured)];
    return paths.includes(withoutSlash(path));
  }

  /** Returns why an upgrade must be refused, or `null` if the handshake may begin. */
  refusal(request: IncomingMessage, address: string): UpgradeRefusal | null {
    const { readiness, acceptLimits, checks } = this.#parts;
    return readiness.isDraining
      ? shuttingDown
      : (acceptLimits.refusal(address) ?? checks.refusal(request, address));
  }

  /**
   * Other listeners hear of the upgrades of this path, too, and some answer every one of them: a
   * `WebSocketServer` with the option `server` refuses what is not its own path.
   */
  #handleAmongOthers(
    http: HttpServer,
    path: string,
    request: IncomingMessage,
    stream: Duplex,
    head: Buffer,
  ): void {
    const { observability } = this.#parts;
    if (http.listenerCount("upgrade") === 1) {
      this.#handle(request, stream, head);
      return;
    }
    if (stream.writableEnded || stream.destroyed || webSocketsOn(stream) > 0)
      return observability.upgradeConflict(path);
    const socket = this.#handle(request, stream, head);
    // once the listeners behind this one have heard of it
    process.nextTick(() => {
      const isOpen = socket?.readyState === WebSocket.OPEN;
      if (isOpen && (stream.writableEnded || webSocketsOn(stream) > 1))
        observability.upgradeConflict(path);
    });
  }

  /** Returns the WebSocket, unless the upgrade is refused. */
  #handle(request: IncomingMessage, stream: Duplex, head: Buffer): WebSocket | undefined {
    guardStream(stream);
    const { addressOf, webSockets, observability } = this.#parts;
    const address = addressOf(request);
    const refusal = this.refusal(request, address);
    if (refusal !== null) {
      observability.upgradeRefused(refusal, address, request.headers.origin);
      refuseUpgrade(stream, refusal);
      return undefined;
    }
    let accepted: WebSocket | undefined;
    webSockets.handleUpgrade(request, stream, head, (socket) => {
      accepted = socket;
      this.#accept(socket, stream, address);
    });
    return accepted;
  }

  #accept(socket: WebSocket, stream: Duplex, address: string): void {
    const { acceptLimits, connections, services } = this.#parts;
    acceptLimits.accepted(address);
    connections.add(
      new Connection(newConnectionId(), address, socket, stream, services, connections),
    );
  }
}

const bytesOfOne = 16;
const pool = Buffer.allocUnsafe(256 * bytesOfOne);
let at = pool.length;

/**
 * A UUID of version 7 (RFC 9562 §5.7): ids sort by the time of their connections. Random bytes are
 * fetched for many at a time, since one fetch takes 4 µs.
 */
function newConnectionId(): string {
  if (at === pool.length) {
    randomFillSync(pool);
    at = 0;
  }
  const random = pool.subarray(at, at + bytesOfOne);
  at += bytesOfOne;
  return v7({ random });
}

/** `/rpc/` is `/rpc`: proxies and people write both. */
function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
