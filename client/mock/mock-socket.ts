import type { SocketLike } from "../transport/socket.js";

/** A client's socket whose other end is in the same process. */
export class MockSocket implements SocketLike {
  readyState = 0;
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  onerror: SocketLike["onerror"] = null;
  /** Takes what the client sends. */
  receive: (text: string) => void = () => {};
  whenClosed: () => void = () => {};

  /** @param accept whether the server takes the connection */
  constructor(url: string, accept: (socket: MockSocket) => boolean) {
    if (!/^wss?:/.test(url)) throw new TypeError(`${url} is no URL of a WebSocket`);
    queueMicrotask(() => {
      if (this.readyState !== 0) return;
      if (!accept(this)) return this.shut(1006, "");
      this.readyState = 1;
      this.onopen?.({});
    });
  }

  send(text: string): void {
    queueMicrotask(() => this.receive(text));
  }

  close(code = 1005, reason = ""): void {
    this.shut(code, reason);
  }

  /** What the server sends. */
  deliver(message: object): void {
    const data = JSON.stringify({ jsonrpc: "2.0", ...message });
    if (this.readyState === 1) this.onmessage?.({ data });
  }

  deliverText(data: string): void {
    if (this.readyState === 1) this.onmessage?.({ data });
  }

  /** Either side closes, or the network breaks. */
  shut(code: number, reason: string): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.whenClosed();
    queueMicrotask(() => this.onclose?.({ code, reason }));
  }
}
