import type { Jwk } from "../../auth/provider-options.js";

/** A signing key and its times, milliseconds since 1970. */
export interface RingKey {
  /** Private; with `kid`, `alg` and `use`. */
  readonly jwk: Jwk & { readonly kid: string };
  /** Signs from then on, until a younger key does. */
  readonly activeFrom: number;
}

/** Keys by `activeFrom`, the oldest first. */
export type KeyRing = readonly RingKey[];

export interface RingTimes {
  readonly rotationInterval: number;
  readonly publishAhead: number;
  /**
   * How long a key is shown after its last signature: the longest life of a token, and some for
   * clocks that differ.
   */
  readonly retirement: number;
}

/**
 * What is to be done now: the keys that stay, and when a new one, if one is due, starts to sign.
 */
export interface RingPlan {
  readonly keep: KeyRing;
  readonly newKeyFrom: number | undefined;
}

/** Pure. A key is never used before it was published for `publishAhead`, except the very first. */
export function planRing(ring: KeyRing, now: number, times: RingTimes): RingPlan {
  const keep = ring.filter((_, index) => {
    const successor = ring[index + 1];
    return successor === undefined || now < successor.activeFrom + times.retirement;
  });
  const youngest = keep.at(-1);
  if (youngest === undefined) return { keep, newKeyFrom: now };
  const rotatesAt = youngest.activeFrom + times.rotationInterval;
  if (now < rotatesAt - times.publishAhead) return { keep, newKeyFrom: undefined };
  return { keep, newKeyFrom: Math.max(rotatesAt, now + times.publishAhead) };
}

/**
 * The key that signs now: the youngest that is active. With a clock that was set back, the oldest.
 */
export function signerOf(ring: KeyRing, now: number): RingKey | undefined {
  return ring.findLast(({ activeFrom }) => activeFrom <= now) ?? ring[0];
}
