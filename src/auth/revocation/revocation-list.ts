import type { VerifiedToken } from "../provider-options.js";
import type { Revocation } from "./revocation.js";

/**
 * `due`: of a subject, with `issuedBefore` and a margin. Kept beside the subject's other one, since
 * the union of both would end without its margin a session that only the later one means.
 */
type Kind = "sub" | "due" | "jti" | "sid";

/** Revocations of one issuer's tokens, by the value of the claim that they name. */
interface Claims extends Readonly<Record<Kind, Map<string, Revocation>>> {
  /** By session: the tokens of it that are revoked by themselves. */
  readonly tokensOf: Map<string, Set<string>>;
}

/**
 * What was revoked and must still be remembered, for a synchronous look-up. `version` tells a
 * session whether to look again.
 */
export class RevocationList {
  /**
   * By issuer; undefined: of any issuer. A look-up makes no key: that would be six strings for each
   * token.
   */
  readonly #byIssuer = new Map<string | undefined, Claims>();
  #version = 0;

  /** Grows with each revocation. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return [...this.#maps()].reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * Adds one, unless what is known for the same target, or for its token's session, reaches at
   * least as far. Returns whether it was new.
   */
  add(revocation: Revocation): boolean {
    if (this.covers(revocation)) return false;
    const { issuer, kind, value } = partsOf(revocation);
    const claims = this.#byIssuer.get(issuer) ?? {
      sub: new Map(),
      due: new Map(),
      jti: new Map(),
      sid: new Map(),
      tokensOf: new Map(),
    };
    const known = claims[kind].get(value);
    this.#byIssuer.set(issuer, claims);
    // a copy: an object that was spread together takes 300 bytes instead of 125, and three times as
    // long in each garbage collection
    const kept = Object.assign({}, known === undefined ? revocation : wider(known, revocation));
    claims[kind].set(value, kept);
    if (kind === "jti") keepToken(claims, value, kept);
    if (kind === "sid") forgetTokens(claims, value, kept);
    this.#version++;
    return true;
  }

  /** Does what is known for the same target, or for its token's session, reach at least as far? */
  covers(revocation: Revocation): boolean {
    const { issuer, kind, value } = partsOf(revocation);
    const claims = this.#byIssuer.get(issuer);
    const known = claims?.[kind].get(value);
    if (known !== undefined && covers(known, revocation)) return true;
    const session =
      kind === "jti" && revocation.tokenOf !== undefined
        ? claims?.sid.get(revocation.tokenOf)
        : undefined;
    return session !== undefined && covers(session, revocation);
  }

  /** One for each target: the union of what was added for it. */
  values(): readonly Revocation[] {
    return [...this.#maps()].flatMap((map) => [...map.values()]);
  }

  /** The revocation that hits this token; of several, the one that is enforced first. */
  find(token: VerifiedToken): Revocation | undefined {
    return stricter(
      findIn(this.#byIssuer.get(token.issuer), token),
      findIn(this.#byIssuer.get(undefined), token),
    );
  }

  /** Forgets what need not be remembered at `now` (seconds). */
  sweep(now: number): void {
    for (const map of this.#maps()) {
      for (const [value, { until }] of map)
        if (until !== undefined && until <= now) map.delete(value);
    }
    for (const { jti, tokensOf } of this.#byIssuer.values()) {
      for (const [session, tokens] of tokensOf) {
        for (const token of tokens) if (!jti.has(token)) tokens.delete(token);
        if (tokens.size === 0) tokensOf.delete(session);
      }
    }
  }

  *#maps(): Iterable<Map<string, Revocation>> {
    for (const { sub, due, jti, sid } of this.#byIssuer.values()) yield* [sub, due, jti, sid];
  }
}

function keepToken({ tokensOf }: Claims, token: string, { tokenOf }: Revocation): void {
  if (tokenOf === undefined) return;
  const tokens = tokensOf.get(tokenOf);
  if (tokens === undefined) tokensOf.set(tokenOf, new Set([token]));
  else tokens.add(token);
}

/** The tokens of a session that is revoked need no revocation of their own. */
function forgetTokens({ jti, tokensOf }: Claims, session: string, revocation: Revocation): void {
  const tokens = tokensOf.get(session) ?? new Set();
  for (const token of tokens) {
    const own = jti.get(token);
    if (own !== undefined && !covers(revocation, own)) continue;
    jti.delete(token);
    tokens.delete(token);
  }
  if (tokens.size === 0) tokensOf.delete(session);
}

function findIn(claims: Claims | undefined, token: VerifiedToken): Revocation | undefined {
  if (claims === undefined) return undefined;
  const { subject, tokenId, sessionId } = token;
  let found = stricter(
    hitting(claims.sub.get(subject), token),
    hitting(claims.due.get(subject), token),
  );
  if (tokenId !== undefined) found = stricter(found, hitting(claims.jti.get(tokenId), token));
  if (sessionId !== undefined) found = stricter(found, hitting(claims.sid.get(sessionId), token));
  return found;
}

/** The one that is enforced first. */
function stricter(a: Revocation | undefined, b: Revocation | undefined): Revocation | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return enforcedAt(b) < enforcedAt(a) ? b : a;
}

function enforcedAt({ enforceAt = 0 }: Revocation): number {
  return enforceAt;
}

/** A token that does not say when it was issued may be as old as any. */
function hitting(
  revocation: Revocation | undefined,
  { issuedAt }: VerifiedToken,
): Revocation | undefined {
  const issuedBefore = revocation?.issuedBefore;
  return issuedBefore === undefined || issuedAt === undefined || issuedAt <= issuedBefore * 1_000
    ? revocation
    : undefined;
}

/**
 * What a revocation hits, as text: the same for every revocation of one issuer's token, session or
 * subject.
 */
export function targetOf(revocation: Revocation): string {
  const { issuer, kind, value } = partsOf(revocation);
  return JSON.stringify([kind, issuer ?? null, value]);
}

function partsOf(revocation: Revocation): {
  readonly issuer: string | undefined;
  readonly kind: Kind;
  readonly value: string;
} {
  const { issuer, jti, sessionId, subject } = revocation;
  if (jti !== undefined) return { issuer, kind: "jti", value: jti };
  if (sessionId !== undefined) return { issuer, kind: "sid", value: sessionId };
  return { issuer, kind: isDue(revocation) ? "due" : "sub", value: subject ?? "" };
}

function isDue({ subject, issuedBefore, enforceAt }: Revocation): boolean {
  return subject !== undefined && issuedBefore !== undefined && enforceAt !== undefined;
}

const forever = Number.POSITIVE_INFINITY;

/** Does one revocation reach at least as far as another of the same target? */
export function covers(known: Revocation, added: Revocation): boolean {
  return (
    (known.issuedBefore ?? forever) >= (added.issuedBefore ?? forever) &&
    (known.until ?? forever) >= (added.until ?? forever) &&
    ((known.enforceAt ?? 0) <= (added.enforceAt ?? 0) || isLater(known, added))
  );
}

/** The union of two revocations of one target. */
export function wider(a: Revocation, b: Revocation): Revocation {
  const { issuedBefore: _issuedBefore, until: _until, enforceAt: _enforceAt, ...rest } = b;
  const issuedBefore = Math.max(a.issuedBefore ?? forever, b.issuedBefore ?? forever);
  const until = Math.max(a.until ?? forever, b.until ?? forever);
  const enforceAt = enforcementOf(a, b);
  return {
    ...rest,
    ...(issuedBefore === forever ? {} : { issuedBefore }),
    ...(until === forever ? {} : { until }),
    ...(enforceAt === 0 ? {} : { enforceAt }),
  };
}

/**
 * The margin of the later one of two: that of an earlier one is over, or soon will be, for sessions
 * that have newer tokens by now. A live session keeps to the earliest that it has heard of.
 */
function enforcementOf(a: Revocation, b: Revocation): number {
  if (isLater(a, b)) return a.enforceAt ?? 0;
  if (isLater(b, a)) return b.enforceAt ?? 0;
  return Math.min(a.enforceAt ?? 0, b.enforceAt ?? 0);
}

function isLater(one: Revocation, other: Revocation): boolean {
  return isDue(one) && isDue(other) && (one.issuedBefore ?? 0) > (other.issuedBefore ?? 0);
}
