import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { subprotocol } from "../protocol/messages.js";
import type { Limits } from "./limits.js";

/** Too new for ws's types: pongs that wait for a peer that does not read, and 3 s for the peer to answer a close. */
const hardening = { maxPendingAutoPongs: 16, closeTimeout: 3_000 };

/** ws, with its own limits so that a hostile peer costs little. */
export function createWebSocketServer({ frameBytes, fragments }: Limits, compression: boolean): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // twice ours, so that an ordinary excess is told before the close; ws cuts the rest by itself
    maxPayload: frameBytes * 2,
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
}

/** A stream without an error listener ends the process when its peer resets it. */
export function guardStream(stream: Duplex): void {
  if (stream.listenerCount("error") === 0) stream.on("error", () => stream.destroy());
}
