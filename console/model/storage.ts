/**
 * What the browser lets a page keep; `undefined` where the user blocks that: already the look at it
 * throws there.
 */
export function storageOf(name: "localStorage" | "sessionStorage"): Storage | undefined {
  try {
    return globalThis[name];
  } catch {
    return undefined;
  }
}
