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
