import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import { closeTable } from "../../protocol/close-codes.js";
import { subprotocol } from "../../protocol/messages.js";
import type { Limits } from "../limits.js";
import { refuseUpgrade } from "./upgrade-checks.js";

const tooBig = closeTable.too_big.code;

/**
 * Too new for ws's types: pongs that wait for a peer that does not read, and 3 s for the peer to
 * answer a close.
 */
const hardening = { maxPendingAutoPongs: 16, closeTimeout: 3_000 };

/**
 * ws closes a socket for a message that is over its limit with a code alone; here the connection is
 * told before, to say why.
 */
class TellingWebSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    if (code === tooBig && reason === undefined) this.emit("oversized");
    super.close(code, reason);
  }
}

/** ws, with its own limits so that a hostile peer costs little. */
export function createWebSocketServer(
  { frameBytes, fragments }: Limits,
  compression: boolean,
): WebSocketServer {
  const sockets = new WebSocketServer({
    noServer: true,
    WebSocket: TellingWebSocket,
    clientTracking: false,
    maxPayload: frameBytes * 2, // twice ours, so that an ordinary excess is told by its size
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

/** ws itself would answer in HTML. */
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
