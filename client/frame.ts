/** A request; without an id, a notification. Throws what `JSON.stringify` throws. */
export function frameOf(method: string, params: unknown, id?: unknown): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}

/** Tells the server that the answer to a request is no longer wanted. */
export function cancelFrame(id: unknown): string {
  return frameOf("$/cancelRequest", { id });
}
