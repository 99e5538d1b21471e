import { randomBytes } from "node:crypto";

/**
 * A user's credential version: `<second>.<random>`. Tokens of the version have an `iat` of at least that second, so
 * that a revocation of all tokens with `iat <= t`, made together with the version `t + 1`, spares a login that
 * follows in the same second. Their `iat` may then lie up to a second ahead, within the leeway for `iat`.
 */
export function newCredentialVersion(now: number): string {
  return `${Math.floor(now / 1_000) + 1}.${randomBytes(12).toString("base64url")}`;
}

/** The `iat` of a token issued at `now` (milliseconds) under a version: seconds. */
export function issuedAtUnder(version: string, now: number): number {
  const earliest = Number.parseInt(version, 10);
  return Math.max(Math.floor(now / 1_000), Number.isNaN(earliest) ? 0 : earliest);
}
