import { subprotocol } from "../../src/protocol/messages.js";

/** A handler of any event type: a platform's own events have more members than the client reads. */
type Handler<Event> = { handle(event: Event): void }["handle"] | null;

/**
 * The part of the WebSocket interface that the client uses; a browser's has it, and so has that of
 * `ws`.
 */
export interface SocketLike {
  /** The state of the socket: 1 is open, 3 is closed. */
  readonly readyState: number;
  /** Called when the socket is open. */
  onopen: Handler<unknown>;
  /** Called with each message. */
  onmessage: Handler<{ readonly data: unknown }>;
  /** Called when the socket is closed. `cause`: why, where a platform tells it; browsers don't. */
  onclose: Handler<{ readonly code: number; readonly reason: string; readonly cause?: unknown }>;
  /** Called when something is wrong; `onclose` follows. */
  onerror: Handler<unknown>;
  /** Sends a text message. */
  send(text: string): void;
  /** Starts the closing handshake. */
  close(code?: number, reason?: string): void;
}

/** The class of a platform's sockets, such as `WebSocket`. */
export type SocketConstructor = new (url: string, protocols: string) => SocketLike;

const open = 1; // WebSocket.OPEN
const closed = 3; // WebSocket.CLOSED

export interface Socket {
  /** `false`: the socket isn't open, and nothing was sent. */
  send(text: string): boolean;
  /**
   * Starts the closing handshake. From here on only `done` is called, when the socket is closed.
   */
  close(done: () => void): void;
}

export interface SocketHandlers {
  opened(): void;
  received(text: string): void;
  closed(code: number, reason: string, cause: unknown): void;
}

/**
 * Opens a socket. Throws the constructor's error if `url` is malformed, and a `TypeError` if the
 * platform has no sockets.
 */
export function openSocket(
  WebSocket: SocketConstructor | undefined,
  url: string,
  handlers: SocketHandlers,
): Socket {
  if (!WebSocket) throw new TypeError("option WebSocket is missing");
  const socket = new WebSocket(url, subprotocol);
  socket.onopen = () => handlers.opened();
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") handlers.received(data); // the protocol has no binary frames
  };
  socket.onclose = ({ code, reason, cause }) => handlers.closed(code, reason, cause);
  // a close event follows, with all there is to know; `ws` would throw an error that nobody listens
  // to
  socket.onerror = () => {};
  return {
    send(text) {
      if (socket.readyState !== open) return false;
      socket.send(text);
      return true;
    },
    close(done) {
      if (socket.readyState === closed) return done();
      socket.onopen = socket.onmessage = null;
      socket.onclose = done;
      socket.close(1000);
    },
  };
}
