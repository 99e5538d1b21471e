/** Takes the answer: an `error`, or else a `result`. */
export type Answered = (error: unknown, result?: unknown) => void;

/** A request; without an id, a notification. Throws what `JSON.stringify` throws. */
export function frameOf(method: string, params: unknown, id?: unknown): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}

/** Tells the server that the answer to a request is no longer wanted. */
export function cancelFrame(id: unknown): string {
  return frameOf("$/cancelRequest", { id });
}

/** Says how far a frame exceeds `limit` bytes; `undefined` if it fits, or if there is no limit. */
export function excessOf(frame: string, limit: number | undefined): string | undefined {
  if (!limit || frame.length * 3 <= limit) return undefined; // a character has 3 bytes at most
  const { length } = new TextEncoder().encode(frame);
  return length > limit ? `${length} > ${limit} bytes` : undefined;
}
