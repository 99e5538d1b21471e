/**
 * As much of ws's `WebSocket` as the server uses. It is written down here since the package's
 * declarations lead here, and ws brings no types of its own: a project that checks the declarations
 * of its packages would need `@types/ws`.
 */
export interface PeerSocket {
  readonly OPEN: number;
  readonly readyState: number;
  /** Bytes that the system has not taken yet. */
  readonly bufferedAmount: number;
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): unknown;
  on(event: "ping" | "pong", listener: (data: Buffer) => void): unknown;
  /** A message is over ws's limit: it closes the socket next. */
  on(event: "oversized", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "close", listener: (code: number) => void): unknown;
  send(text: string): void;
  /** Calls back when all before it was written. */
  ping(data?: undefined, mask?: undefined, written?: () => void): void;
  pause(): void;
  resume(): void;
  close(code: number, reason: string): void;
  terminate(): void;
}
