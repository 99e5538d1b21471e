/** The client for Node: the same as in browsers, over `ws`. */
import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { Client, ClientOptions, SocketLike, Untyped } from "./index.js";
import { createClient as createClientOver } from "./index.js";

export * from "./index.js";

/** Makes a client of one server. It connects by itself, renews its session in time, and comes back after a loss. */
export function createClient<App = Untyped>(options: ClientOptions): Client<App> {
  return createClientOver<App>({ WebSocket: NodeSocket, ...options });
}

const settings = {
  perMessageDeflate: false,
  maxPayload: 8_388_608, // 8 MiB: what a server holds back for one connection at most
  handshakeTimeout: 10_000, // 10 s
  closeTimeout: 2_000, // 2 s
};

/** `ws` with a browser's interface. What is sent in one turn leaves in one write. */
class NodeSocket implements SocketLike {
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  onerror: SocketLike["onerror"] = null;
  readonly #ws: WebSocket;
  #raw: Socket | undefined;
  #isCorked = false;

  constructor(url: string, protocols: string) {
    this.#ws = new WebSocket(url, protocols, settings);
    this.#ws.on("upgrade", (response) => {
      this.#raw = response.socket;
    });
    this.#ws.on("open", () => this.onopen?.({}));
    this.#ws.on("message", (data, isBinary) => this.onmessage?.({ data: isBinary ? data : data.toString() }));
    this.#ws.on("close", (code, reason) => this.onclose?.({ code, reason: reason.toString() }));
    this.#ws.on("error", (error) => this.onerror?.(error));
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
}
