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

export interface RecordingSockets {
  /** For the SDK's option `WebSocket`. */
  readonly constructor: SocketConstructor;
  /**
   * Cuts the socket as a network would: the SDK sees a loss (1006) that nobody announced. `false`:
   * none is open.
   */
  drop(): boolean;
  /**
   * Sends a request past the SDK, and gives the server's response. Rejects when the socket closes
   * first.
   */
  ask(method: string, params?: unknown): Promise<Message>;
}

interface Asked {
  resolve(message: Message): void;
  reject(error: Error): void;
}

const lost = 1006; // RFC 6455 §7.1.5

export function createRecordingSockets(recorder: SocketRecorder): RecordingSockets {
  const asked = new Map<string, Asked>();
  let current: RecordingSocket | undefined;
  let count = 0;

  class RecordingSocket implements SocketLike {
    onopen: SocketLike["onopen"] = null;
    onmessage: SocketLike["onmessage"] = null;
    onclose: SocketLike["onclose"] = null;
    onerror: SocketLike["onerror"] = null;
    readonly #real: WebSocket;

    constructor(url: string, protocols: string) {
      recorder.opening(url);
      this.#real = new WebSocket(url, protocols);
      this.#real.onopen = (event) => {
        current = this;
        recorder.opened();
        this.onopen?.(event);
      };
      this.#real.onmessage = (event) => {
        if (typeof event.data !== "string") return;
        recorder.frame("in", event.data);
        settle(event.data);
        this.onmessage?.(event);
      };
      this.#real.onclose = ({ code, reason }) => this.#ended(code, reason, false);
      this.#real.onerror = (event) => this.onerror?.(event);
    }

    get readyState(): number {
      return this.#real.readyState;
    }

    send(text: string): void {
      recorder.frame("out", text);
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
      if (current === this) current = undefined;
      const isLast = current === undefined;
      if (isLast) {
        for (const { reject } of asked.values())
          reject(new Error("The socket closed before the answer came"));
        asked.clear();
      }
      recorder.closed(code, reason, { wasDropped, isLast });
      this.onclose?.({ code, reason });
    }
  }

  const settle = (text: string) => {
    if (asked.size === 0) return;
    for (const message of messagesIn(text)) {
      const id = String(message.id);
      asked.get(id)?.resolve(message);
      asked.delete(id);
    }
  };

  return {
    constructor: RecordingSocket,
    drop() {
      const socket = current;
      socket?.drop();
      return socket !== undefined;
    },
    ask: (method, params) =>
      new Promise((resolve, reject) => {
        if (current === undefined) throw new Error("There is no open socket");
        // a string: the SDK's calls have numbers, and it ignores other answers
        const id = `console-${++count}`;
        asked.set(id, { resolve, reject });
        current.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
      }),
  };
}
