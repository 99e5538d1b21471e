import { setTimeout as delay } from "node:timers/promises";

/** Rejects if `promise` takes longer. */
export async function deadline<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  const timer = new AbortController();
  const late = delay(ms, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`${what} after ${ms} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

/** Waits until it is so. Resolves with the milliseconds, or `undefined` where it never was. */
export async function until(isSo: () => boolean, ms: number): Promise<number | undefined> {
  const start = performance.now();
  while (!isSo()) {
    if (performance.now() - start > ms) return undefined;
    await delay(2);
  }
  return performance.now() - start;
}
