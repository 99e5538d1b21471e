/** What was thrown, for the log; never throws itself. */
export function describe(thrown: unknown): {
  readonly message: string;
  readonly stack?: string | undefined;
} {
  try {
    return thrown instanceof Error
      ? { message: String(thrown.message), stack: String(thrown.stack) }
      : { message: `not an Error: ${String(thrown)}` };
  } catch {
    return { message: "something that can't be described" };
  }
}
