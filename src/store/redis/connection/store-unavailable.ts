/**
 * Redis could not be asked, or did not answer in time: what was asked for may or may not have been
 * done.
 */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
  readonly code = "STORE_UNAVAILABLE";
}

export function asUnavailable(thrown: unknown): StoreUnavailable {
  if (thrown instanceof StoreUnavailable) return thrown;
  const why =
    thrown instanceof AggregateError ? thrown.errors.map(messageOf).join("; ") : messageOf(thrown);
  return new StoreUnavailable(`Redis: ${why}`, { cause: thrown });
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/**
 * Rejects with {@link StoreUnavailable} when the work takes longer than `timeoutMs` (milliseconds).
 * An answer that has arrived by then counts, however late this process comes to read it: sockets
 * are read between the timer and the immediate.
 */
export async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  const timer: { stop: () => void } = { stop: () => {} };
  const late = new Promise<never>((_, reject) => {
    const give = (): void =>
      reject(new StoreUnavailable(`Redis did not answer within ${Math.round(timeoutMs)} ms`));
    const handle = setTimeout(() => setImmediate(give), timeoutMs);
    timer.stop = () => clearTimeout(handle);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.stop();
  }
}
