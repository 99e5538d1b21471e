import type { ClientClock } from "./clock.js";

/** Waits for `delay` milliseconds; less, when `until` is settled or `signal` aborted before. */
export function pause(
  clock: ClientClock,
  delay: number,
  signal: AbortSignal | undefined,
  until?: Promise<unknown>,
): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      resolve();
    };
    const cancel = clock.after(delay, done);
    signal?.addEventListener("abort", done);
    until?.then(done, done);
    if (signal?.aborted) done();
  });
}
