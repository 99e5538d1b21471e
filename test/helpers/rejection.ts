/** What a promise rejects with. Throws when it resolves. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof Error) return outcome;
  throw new Error(
    outcome === undefined ? "it resolved" : "it rejected with something that is no Error",
  );
}
