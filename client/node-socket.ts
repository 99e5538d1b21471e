import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { UpgradeRefusedError } from "./errors.js";
import type { SocketLike } from "./transport/socket.js";

const settings = {
  perMessageDeflate: false,
  handshakeTimeout: 10_000, // 10 s
  closeTimeout: 2_000, // 2 s
};
const maxRefusalBytes = 8_192; // 8 KiB: a jotwire server's refusal is shorter

/**
 * `ws` with a browser's interface, and the `cause` of a close beside it. Frames that are sent in
 * one turn of the event loop leave in one write. `createConnection` gives the stream beneath, in
 * the place of a TCP connection.
 */
export class NodeSocket implements SocketLike {
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  onerror: SocketLike["onerror"] = null;
  readonly #ws: WebSocket;
  #raw: Socket | undefined;
  #isCorked = false;
  #cause: unknown;

  constructor(url: string, protocols: string, maxPayload: number, createConnection?: () => Duplex) {
    this.#ws = new WebSocket(url, protocols, {
      ...settings,
      maxPayload,
      // Node takes any stream, which the types of ws do not say
      ...(createConnection && { createConnection: createConnection as never }),
    });
    this.#ws.on("upgrade", (response) => {
      this.#raw = response.socket;
    });
    this.#ws.on("open", () => this.onopen?.({}));
    this.#ws.on("message", (data, isBinary) => this.received(isBinary ? data : data.toString()));
    this.#ws.on("close", (code, reason) => this.#closed(code, reason.toString()));
    this.#ws.on("unexpected-response", (_request, response) => {
      this.#refused(response).catch(() => this.#ws.terminate());
    });
    this.#ws.on("error", (error) => {
      this.#cause ??= error;
      this.onerror?.(error);
    });
  }

  get readyState(): number {
    return this.#ws.readyState;
  }

  send(text: string): void {
    if (!this.#isCorked) this.#cork();
    this.#ws.send(text);
  }

  close(code?: number, reason?: string): void {
    this.#ws.close(code, reason);
  }

  protected received(data: unknown): void {
    this.onmessage?.({ data });
  }

  #cork(): void {
    this.#isCorked = true;
    this.#raw?.cork();
    process.nextTick(() => {
      this.#isCorked = false;
      this.#raw?.uncork();
    });
  }

  async #refused(response: IncomingMessage): Promise<void> {
    this.#cause = new UpgradeRefusedError(response.statusCode ?? 0, await bodyOf(response));
    this.#ws.terminate(); // ws leaves it to whoever listens to "unexpected-response"
  }

  #closed(code: number, reason: string): void {
    const cause = this.#cause;
    if (cause instanceof UpgradeRefusedError)
      this.onclose?.({ code, reason: "upgrade_refused", cause });
    else this.onclose?.({ code, reason: isTooLarge(cause) ? "frame_too_large" : reason, cause });
  }
}

/** Whether a frame was larger than `maxPayload`. */
function isTooLarge(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException | undefined)?.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
}

/** What the JSON of a body says. Another server's answer, or one that breaks off, has none. */
async function bodyOf(response: IncomingMessage): Promise<unknown> {
  try {
    let body = Buffer.alloc(0);
    for await (const chunk of response) {
      body = Buffer.concat([body, chunk]);
      if (body.length > maxRefusalBytes) return undefined;
    }
    const {
      error,
      error_description,
      message = error_description,
    } = Object(JSON.parse(body.toString()));
    return { error, message };
  } catch {
    return undefined; // the status says enough
  }
}
