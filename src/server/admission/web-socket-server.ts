import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import { closeTable } from "../../protocol/close-codes.js";
import { subprotocol } from "../../protocol/messages.js";
import type { Limits } from "../limits.js";
import { refuseUpgrade } from "./upgrade-checks.js";

const tooBig = closeTable.too_big.code;

/**
 * Options that the types of ws lack: the number of pongs that may wait for a peer that does not
 * read, and the time for a peer to answer a close.
 */
const hardening = { maxPendingAutoPongs: 16, closeTimeout: 3_000 };

/**
 * Emits `oversized` before ws closes the socket of a message over its limit, so that the connection
 * can send the reason: ws sends only the code.
 */
class OversizeReportingWebSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    if (code === tooBig && reason === undefined) this.emit("oversized");
    super.close(code, reason);
  }
}

/** Creates the ws server, with limits that bound the cost of a hostile peer. */
export function createWebSocketServer(
  { frameBytes, fragments }: Limits,
  compression: boolean,
): WebSocketServer {
  const sockets = new WebSocketServer({
    noServer: true,
    WebSocket: OversizeReportingWebSocket,
    clientTracking: false,
    maxPayload: frameBytes * 2, // twice the limit, so that most refusals can name the frame's size
    maxFragments: fragments,
    maxBufferedChunks: 512,
    ...hardening,
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
    perMessageDeflate: compression && {
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      threshold: 1_024,
      concurrencyLimit: 4,
    },
  });
  return sockets.on("wsClientError", refuseHandshake);
}

/** Replaces the HTML answer of ws. */
function refuseHandshake({ message }: Error, stream: Duplex, { method }: IncomingMessage): void {
  if (method !== "GET")
    return refuseUpgrade(stream, { status: 405, message: "use GET", headers: { Allow: "GET" } });
  const headers = message.includes("Sec-WebSocket-Version")
    ? { headers: { "Sec-WebSocket-Version": "13" } }
    : {}; // RFC 6455 §4.4
  refuseUpgrade(stream, {
    status: 400,
    message: `${message}: see RFC 6455, section 4.2.1`,
    ...headers,
  });
}

/** A stream without an error listener ends the process when its peer resets it. */
export function guardStream(stream: Duplex): void {
  if (stream.listenerCount("error") === 0) stream.on("error", () => stream.destroy());
}

/** How many WebSockets of `ws` a stream has: each copy of the package marks it with its own symbol. */
export function webSocketsOn(stream: Duplex): number {
  const marks = Object.getOwnPropertySymbols(stream);
  return marks.filter(({ description }) => description === "websocket").length;
}
