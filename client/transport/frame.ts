/** A request; without an id, a notification. Throws what `JSON.stringify` throws. */
export function frameOf(method: string, params: unknown, id?: unknown): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}

/** Tells the server that the answer to a request is no longer wanted. */
export function cancelFrame(id: unknown): string {
  return frameOf("$/cancelRequest", { id });
}

/**
 * What is wrong with a frame that is larger than `limit` bytes; `undefined`: it isn't, or there is
 * none.
 */
export function excessOf(frame: string, limit: number | undefined): string | undefined {
  if (!limit || frame.length * 3 <= limit) return undefined; // a character has 3 bytes at most
  const { length } = new TextEncoder().encode(frame);
  return length > limit ? `${length} > ${limit} bytes` : undefined;
}
