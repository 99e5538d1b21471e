import type { VerifiedToken } from "./provider-options.js";
import type { Revocation } from "./revocation.js";

/** What was revoked and must still be remembered, for a synchronous look-up. `version` tells a session whether to look again. */
export class RevocationList {
  readonly #byKey = new Map<string, Revocation>();
  #version = 0;

  /** Grows with each revocation. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Adds one, unless what is known for the same target reaches at least as far. Returns whether it was new. */
  add(revocation: Revocation): boolean {
    if (this.covers(revocation)) return false;
    const key = targetOf(revocation);
    const known = this.#byKey.get(key);
    this.#byKey.set(key, known === undefined ? revocation : wider(known, revocation));
    this.#version++;
    return true;
  }

  /** Does what is known for the same target reach at least as far? */
  covers(revocation: Revocation): boolean {
    const known = this.#byKey.get(targetOf(revocation));
    return known !== undefined && covers(known, revocation);
  }

  /** One for each target: the union of what was added for it. */
  values(): readonly Revocation[] {
    return [...this.#byKey.values()];
  }

  /** The revocation that hits this token; of several, the one that is enforced first. */
  find(token: VerifiedToken): Revocation | undefined {
    if (this.#byKey.size === 0) return undefined;
    let strictest: Revocation | undefined;
    for (const key of keysOf(token)) {
      const found = this.#byKey.get(key);
      if (found === undefined || !isHit(found, token.issuedAt)) continue;
      if (strictest === undefined || enforcedAt(found) < enforcedAt(strictest)) strictest = found;
    }
    return strictest;
  }

  /** Forgets what need not be remembered at `now` (seconds). */
  sweep(now: number): void {
    for (const [key, { until }] of this.#byKey) if (until !== undefined && until <= now) this.#byKey.delete(key);
  }
}

/** Under what a revocation of this token may stand: for its issuer alone, or for any. */
function keysOf({ issuer, subject, tokenId, sessionId }: VerifiedToken): string[] {
  const targets = [
    ["sub", subject],
    ["jti", tokenId],
    ["sid", sessionId],
  ] as const;
  return targets.flatMap(([kind, value]) => (value === undefined ? [] : [join(kind, issuer, value), join(kind, undefined, value)]));
}

function enforcedAt({ enforceAt = 0 }: Revocation): number {
  return enforceAt;
}

/** A token that does not say when it was issued may be as old as any. */
function isHit({ issuedBefore }: Revocation, issuedAt: number | undefined): boolean {
  return issuedBefore === undefined || issuedAt === undefined || issuedAt <= issuedBefore;
}

/** What a revocation hits, as a key: the same for every revocation of one issuer's token, session or subject. */
export function targetOf({ issuer, jti, sessionId, subject }: Revocation): string {
  if (jti !== undefined) return join("jti", issuer, jti);
  if (sessionId !== undefined) return join("sid", issuer, sessionId);
  return join("sub", issuer, subject ?? "");
}

function join(kind: string, issuer: string | undefined, value: string): string {
  return JSON.stringify([kind, issuer ?? null, value]);
}

const forever = Number.POSITIVE_INFINITY;

/** Does one revocation reach at least as far as another of the same target? */
export function covers(known: Revocation, added: Revocation): boolean {
  return (
    (known.issuedBefore ?? forever) >= (added.issuedBefore ?? forever) &&
    (known.until ?? forever) >= (added.until ?? forever) &&
    (known.enforceAt ?? 0) <= (added.enforceAt ?? 0)
  );
}

/** The union of two revocations of one target. */
export function wider(a: Revocation, b: Revocation): Revocation {
  const { issuedBefore: _issuedBefore, until: _until, enforceAt: _enforceAt, ...rest } = b;
  const issuedBefore = Math.max(a.issuedBefore ?? forever, b.issuedBefore ?? forever);
  const until = Math.max(a.until ?? forever, b.until ?? forever);
  const enforceAt = Math.min(a.enforceAt ?? 0, b.enforceAt ?? 0);
  return {
    ...rest,
    ...(issuedBefore === forever ? {} : { issuedBefore }),
    ...(until === forever ? {} : { until }),
    ...(enforceAt === 0 ? {} : { enforceAt }),
  };
}
