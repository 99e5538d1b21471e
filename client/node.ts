/** The client for Node: the same as in browsers, with sockets of the package `ws`. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { Client, ClientOptions, SocketLike, Untyped } from "./index.js";
import { createClient as createClientOver, UpgradeRefusedError } from "./index.js";
import { defaultMaxFrameBytes } from "./options.js";

export * from "./index.js";

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
export function createClient<App = Untyped>(options: ClientOptions): Client<App> {
  const { maxFrameBytes = defaultMaxFrameBytes } = options;
  class LimitedSocket extends NodeSocket {
    constructor(url: string, protocols: string) {
      super(url, protocols, maxFrameBytes);
    }
  }
  return createClientOver<App>({ ...options, WebSocket: options.WebSocket ?? LimitedSocket });
}

const settings = {
  perMessageDeflate: false,
  handshakeTimeout: 10_000, // 10 s
  closeTimeout: 2_000, // 2 s
};
const maxRefusalBytes = 8_192; // 8 KiB: a jotwire server's refusal is shorter

/**
 * `ws` with a browser's interface, and the `cause` of a close beside it. Frames that are sent in
 * one turn of the event loop leave in one write.
 */
class NodeSocket implements SocketLike {
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  onerror: SocketLike["onerror"] = null;
  readonly #ws: WebSocket;
  #raw: Socket | undefined;
  #isCorked = false;
  #cause: unknown;

  constructor(url: string, protocols: string, maxPayload: number) {
    this.#ws = new WebSocket(url, protocols, { ...settings, maxPayload });
    this.#ws.on("upgrade", (response) => {
      this.#raw = response.socket;
    });
    this.#ws.on("open", () => this.onopen?.({}));
    this.#ws.on("message", (data, isBinary) =>
      this.onmessage?.({ data: isBinary ? data : data.toString() }),
    );
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
