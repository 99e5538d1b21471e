import { setImmediate as turn } from "node:timers/promises";

/**
 * Resolves when a peer's hanging up would have been heard, which it tells behind its request: where
 * a server is behind with its work, requests of callers that have given up come before those of
 * callers that wait, and a refresh token would be used by one and again by the other.
 */
export async function whenHangUpIsHeard(): Promise<void> {
  await turn();
  // libuv has read the request in the first turn, and what lay behind it in the second
  await turn();
}
