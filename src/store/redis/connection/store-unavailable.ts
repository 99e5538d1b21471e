/**
 * Redis could not be asked, or did not answer in time: what was asked for may or may not have been
 * done.
 */
export class StoreUnavailableError extends Error {
  override readonly name = "StoreUnavailableError";
  /** The same for every such error. */
  readonly code = "STORE_UNAVAILABLE";
}

export function asUnavailable(thrown: unknown): StoreUnavailableError {
  if (thrown instanceof StoreUnavailableError) return thrown;
  const why =
    thrown instanceof AggregateError ? thrown.errors.map(messageOf).join("; ") : messageOf(thrown);
  return new StoreUnavailableError(`Redis: ${why}`, { cause: thrown });
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
