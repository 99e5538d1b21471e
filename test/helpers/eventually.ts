/**
 * Tries again until it succeeds, for 5 s: so long a recovery may take. Throws what was thrown last.
 */
export async function eventually<T>(attempt: () => T | Promise<T>, timeoutMs = 5_000): Promise<T> {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > endsAt) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
