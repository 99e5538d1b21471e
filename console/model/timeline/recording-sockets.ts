import type { SocketConstructor, SocketLike } from "../../../client/index.js";
import { type Message, messagesIn } from "../message.js";

/** Hears of everything that happens on the sockets. */
export interface SocketRecorder {
  opening(url: string): void;
  opened(): void;
  frame(direction: "out" | "in", text: string): void;
  /** `isLast`: no newer socket is open. */
  closed(
    code: number,
    reason: string,
    how: { readonly wasDropped: boolean; readonly isLast: boolean },
  ): void;
}

interface Asked {
  resolve(message: Message): void;
  reject(error: Error): void;
}

const lost = 1006; // RFC 6455 §7.1.5

/** The SDK's sockets, each of which tells a recorder what happens on it. */
export class RecordingSockets {
  /** For the SDK's option `WebSocket`. */
  readonly WebSocket: SocketConstructor;
  readonly #recorder: SocketRecorder;
  readonly #asked = new Map<string, Asked>();
  #current: RecordingSocket | undefined;
  #count = 0;

  constructor(recorder: SocketRecorder) {
    const sockets = this;
    this.#recorder = recorder;
    this.WebSocket = class extends RecordingSocket {
      constructor(url: string, protocols: string) {
        super(sockets, url, protocols);
      }
    };
  }

  /**
   * Cuts the socket as a network would: the SDK sees a loss (1006) that nobody announced. `false`:
   * none is open.
   */
  drop(): boolean {
    const socket = this.#current;
    socket?.drop();
    return socket !== undefined;
  }

  /**
   * Sends a request past the SDK, and gives the server's response. Rejects when the socket closes
   * first; when `signal` is aborted, the server hears of that, too.
   */
  ask(method: string, params?: unknown, signal?: AbortSignal): Promise<Message> {
    return new Promise((resolve, reject) => {
      if (this.#current === undefined) throw new Error("There is no open socket");
      // a string: the SDK's calls have numbers, and it ignores other answers
      const id = `console-${++this.#count}`;
      this.#asked.set(id, { resolve, reject });
      this.#current.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
      const cancel = () => {
        if (!this.#asked.delete(id)) return;
        const params = { id };
        this.#current?.send(JSON.stringify({ jsonrpc: "2.0", method: "$/cancelRequest", params }));
        reject(new Error("Cancelled"));
      };
      signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  // What a socket tells.

  opening(url: string): void {
    this.#recorder.opening(url);
  }

  opened(socket: RecordingSocket): void {
    this.#current = socket;
    this.#recorder.opened();
  }

  sending(text: string): void {
    this.#recorder.frame("out", text);
  }

  received(text: string): void {
    this.#recorder.frame("in", text);
    if (this.#asked.size === 0) return;
    for (const message of messagesIn(text)) {
      const id = String(message.id);
      this.#asked.get(id)?.resolve(message);
      this.#asked.delete(id);
    }
  }

  ended(socket: RecordingSocket, code: number, reason: string, wasDropped: boolean): void {
    if (this.#current === socket) this.#current = undefined;
    const isLast = this.#current === undefined;
    if (isLast) {
      for (const { reject } of this.#asked.values())
        reject(new Error("The socket closed before the answer came"));
      this.#asked.clear();
    }
    this.#recorder.closed(code, reason, { wasDropped, isLast });
  }
}

class RecordingSocket implements SocketLike {
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  onerror: SocketLike["onerror"] = null;
  readonly #sockets: RecordingSockets;
  readonly #real: WebSocket;

  constructor(sockets: RecordingSockets, url: string, protocols: string) {
    this.#sockets = sockets;
    sockets.opening(url);
    this.#real = new WebSocket(url, protocols);
    this.#real.onopen = (event) => {
      sockets.opened(this);
      this.onopen?.(event);
    };
    this.#real.onmessage = (event) => {
      if (typeof event.data !== "string") return;
      sockets.received(event.data);
      this.onmessage?.(event);
    };
    this.#real.onclose = ({ code, reason }) => this.#ended(code, reason, false);
    this.#real.onerror = (event) => this.onerror?.(event);
  }

  get readyState(): number {
    return this.#real.readyState;
  }

  send(text: string): void {
    this.#sockets.sending(text);
    this.#real.send(text);
  }

  close(code?: number, reason?: string): void {
    this.#real.close(code, reason);
  }

  drop(): void {
    this.#real.onopen = this.#real.onmessage = this.#real.onclose = this.#real.onerror = null;
    this.#real.close();
    this.#ended(lost, "", true);
  }

  #ended(code: number, reason: string, wasDropped: boolean): void {
    this.#sockets.ended(this, code, reason, wasDropped);
    this.onclose?.({ code, reason });
  }
}
