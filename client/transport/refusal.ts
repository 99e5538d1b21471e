import { UpgradeRefusedError } from "../errors.js";

/**
 * Asks by HTTP why the server refuses the handshake, which browsers don't say. Resolves with `null`
 * if there is no answer within `limit` milliseconds, or none that this page may read. Never
 * rejects.
 */
export async function askWhy(url: string, limit: number): Promise<UpgradeRefusedError | null> {
  try {
    // React Native has no AbortSignal.timeout: there the request goes on, and nobody waits for it
    const signal = AbortSignal.timeout?.(limit);
    const answer = await fetch(url.replace(/^ws/i, "http"), { signal });
    return new UpgradeRefusedError(answer.status, await answer.json().catch(() => {}));
  } catch {
    return null;
  }
}
