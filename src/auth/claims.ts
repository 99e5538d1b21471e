import { hash } from "node:crypto";
import { ignoreOutcome } from "../runtime/application-code.js";
import type { TokenRules } from "./keys/provider.js";
import type { VerifiedToken } from "./provider-options.js";
import { TokenRefusedError } from "./refusal.js";
import type { StrictObject } from "./token/strict-json.js";
import { normalizeType, type UnverifiedToken } from "./token/token-format.js";

const maxAudiences = 16;
const maxSubject = 255; // characters

/**
 * Claims that only an ID token (OpenID Connect Core §2, §3.3.2.11) or a logout or security event
 * token (RFC 8417 §2.2) has.
 */
const foreignMarks = ["nonce", "at_hash", "c_hash", "events"];

/**
 * Judges what a token says, once its signature is known to be good. `now` in milliseconds.
 * @throws TokenRefusedError `token_expired` when the only thing wrong is that its time is over, else
 * `token_invalid`
 */
export function checkClaims(
  { payload, header, claims }: UnverifiedToken,
  rules: TokenRules,
  now: number,
): VerifiedToken {
  checkType(header, claims, rules);
  checkRequired(claims, rules.requiredClaims);
  if (claims.iss !== rules.issuer) throw invalid("iss is another issuer");
  const subject = readSubject(claims.sub);
  checkAudience(claims.aud, rules.audience);
  const tokenId = readOptionalText(claims, "jti");
  const sessionId = readOptionalText(claims, "sid");
  const clientId = readOptionalText(claims, "client_id");
  const { expiresAt, issuedAt } = checkTimes(claims, rules, now);
  const scopes = readScopes(claims, rules);
  // RFC 7519 §4.1.4: "on or after"
  if (now >= expiresAt) throw new TokenRefusedError("token_expired", "exp is over");
  return Object.freeze({
    issuer: rules.issuer,
    subject,
    scopes,
    claims,
    expiresAt,
    issuedAt,
    tokenId,
    sessionId,
    clientId,
    // of the payload alone: a signature may be written in several ways
    fingerprint: hash("sha256", payload, "base64url"),
  });
}

function checkType(header: StrictObject, claims: StrictObject, { types }: TokenRules): void {
  const { typ } = header;
  if (typ !== undefined && typeof typ !== "string") throw invalid("typ is not a string");
  if (!types.includes(typ === undefined ? undefined : normalizeType(typ)))
    throw invalid("typ is not an accepted type of token");
  const mark = foreignMarks.find((name) => Object.hasOwn(claims, name));
  if (mark || claims.token_use === "id")
    throw invalid(`not an access token: it has ${mark ?? "token_use id"}`);
  // RFC 9449 §7.2, RFC 8705 §3: a bound token is never taken as a bearer token
  if (Object.hasOwn(claims, "cnf"))
    throw invalid("the token is bound to a key (cnf), and proof of possession is not supported");
}

function checkRequired(claims: StrictObject, names: readonly string[]): void {
  const missing = names.find((name) => isEmpty(claims[name]));
  if (missing) throw invalid(`${missing} is missing or empty`);
}

function isEmpty(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === "" ||
    (Array.isArray(value) && value.length === 0)
  );
}

function readSubject(sub: unknown): string {
  if (typeof sub === "string" && sub.length >= 1 && sub.length <= maxSubject) return sub;
  throw invalid(`sub is not a string of 1 to ${maxSubject} characters`);
}

function checkAudience(aud: unknown, audience: string): void {
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (audiences.length > maxAudiences) throw invalid(`aud has more than ${maxAudiences} members`);
  if (!audiences.every((item) => typeof item === "string"))
    throw invalid("aud is not a string or a list of strings");
  if (!audiences.includes(audience)) throw invalid("aud does not contain our audience");
}

function readOptionalText(claims: StrictObject, name: string): string | undefined {
  const value = claims[name];
  if (value === undefined || typeof value === "string") return value;
  throw invalid(`${name} is not a string`);
}

function checkTimes(
  claims: StrictObject,
  { maxLifetime, leeway }: TokenRules,
  now: number,
): Pick<VerifiedToken, "expiresAt" | "issuedAt"> {
  const expiresAt = readTime(claims, "exp");
  const issuedAt = readTime(claims, "iat");
  const notBefore = readTime(claims, "nbf");
  if (expiresAt === undefined) throw invalid("exp is missing");
  if (isLater(issuedAt, now + leeway)) throw invalid("iat is in the future");
  if (isLater(notBefore, now + leeway)) throw invalid("nbf is in the future");
  if (maxLifetime !== undefined) {
    if (issuedAt === undefined) throw invalid("iat is missing, and the lifetime is limited");
    if (expiresAt - issuedAt > maxLifetime)
      throw invalid("the lifetime (exp - iat) is longer than allowed");
  }
  return { expiresAt, issuedAt };
}

/** A NumericDate (RFC 7519 §2), which is in seconds, as milliseconds. */
function readTime(claims: StrictObject, name: string): number | undefined {
  const value = claims[name];
  if (value === undefined) return undefined;
  if (typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER)
    return value * 1_000;
  throw invalid(`${name} is not a number of seconds`);
}

function isLater(time: number | undefined, limit: number): boolean {
  return time !== undefined && time > limit;
}

function readScopes(claims: StrictObject, { scopes }: TokenRules): readonly string[] {
  const given: unknown = callScopes(claims, scopes);
  if (!Array.isArray(given) || !given.every((scope) => typeof scope === "string")) {
    ignoreOutcome(given);
    throw invalid("the option scopes did not return a list of strings for these claims");
  }
  return Object.freeze([...new Set<string>(given)]);
}

function callScopes(claims: StrictObject, scopes: TokenRules["scopes"]): unknown {
  try {
    return scopes(claims);
  } catch {
    throw invalid("the option scopes threw for these claims");
  }
}

function invalid(detail: string): TokenRefusedError {
  return new TokenRefusedError("token_invalid", detail);
}
