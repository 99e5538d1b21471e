import { randomBytes } from "node:crypto";

/**
 * A user's credential version: `<second>.<random>`. Tokens of the version have an `iat` of at least
 * that second, so that a revocation of all tokens with `iat <= t`, made together with the version
 * `t + 1`, spares a login that follows in the same second. It is later than that of the version
 * before, `before`. Their `iat` may then lie up to a second ahead, within the leeway for `iat`.
 */
export function newCredentialVersion(now: number, before?: string): string {
  return `${lastSecondUnder(before, now) + 1}.${randomBytes(12).toString("base64url")}`;
}

/**
 * The latest `iat` that a token of this version can have by now: what ends all of them must reach
 * as far. Seconds.
 */
export function lastSecondUnder(version: string | undefined, now: number): number {
  return version === undefined ? Math.floor(now / 1_000) : issuedAtUnder(version, now);
}

/** The `iat` of a token issued at `now` (milliseconds) under a version: seconds. */
export function issuedAtUnder(version: string, now: number): number {
  return Math.max(Math.floor(now / 1_000), earliestSecondOf(version));
}

/** No token of the version has an earlier `iat`. Seconds; 0: it does not say. */
export function earliestSecondOf(version: string): number {
  const earliest = Number.parseInt(version, 10);
  return Number.isNaN(earliest) ? 0 : earliest;
}

/** The same version, whose tokens from now on are later than all so far: families stay good. */
export function laterVersion(version: string, now: number): string {
  return `${lastSecondUnder(version, now) + 1}.${idOf(version)}`;
}

/** Are these the same credentials? */
export function haveSameCredentials(one: string, other: string): boolean {
  return idOf(one) === idOf(other);
}

function idOf(version: string): string {
  return version.slice(version.indexOf(".") + 1);
}
