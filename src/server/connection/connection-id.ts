import { randomFillSync } from "node:crypto";
import { v7 } from "uuid";

const bytesOfOne = 16;
const pool = Buffer.allocUnsafe(256 * bytesOfOne);
let at = pool.length;

/**
 * A UUID of version 7 (RFC 9562 §5.7): ids sort by the time of their connections. Random bytes are
 * fetched for many at a time, since one fetch takes 4 µs.
 */
export function newConnectionId(): string {
  if (at === pool.length) {
    randomFillSync(pool);
    at = 0;
  }
  const random = pool.subarray(at, at + bytesOfOne);
  at += bytesOfOne;
  return v7({ random });
}
