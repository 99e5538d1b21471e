import { hash } from "node:crypto";
import { ignoreOutcome } from "../runtime/application-code.js";
import type { TokenRules } from "./keys/provider.js";
import type { VerifiedToken } from "./provider-options.js";
import { TokenRefusedError } from "./refusal.js";
import { shown } from "./shown.js";
import { readLogin } from "./token/login-claims.js";
import type { StrictObject } from "./token/strict-json.js";
import { normalizeType, type UnverifiedToken } from "./token/token-format.js";

const maxSubject = 255; // characters

/**
 * Claims that only an ID token (OpenID Connect Core §3.1.3.6, §3.3.2.11, FAPI 1.0 §5.2.2.1), a
 * logout or security event token (RFC 8417 §2.2), a request object (RFC 9101 §4) or a refresh token
 * of Cloud Foundry's UAA has.
 */
const foreignClaims = ["at_hash", "c_hash", "s_hash", "events", "response_type", "granted_scopes"];
/** Values of the claim `typ` by which Keycloak tells its tokens apart. */
const foreignTypes = ["id", "refresh", "offline", "logout", "serialized-id"];

/**
 * Judges what a token says, once its signature is known to be good. `now` in milliseconds.
 * @throws TokenRefusedError `token_expired` when the only thing wrong is that its time is over,
 * else `token_invalid`
 */
export function checkClaims(
  { payload, header, claims }: Pick<UnverifiedToken, "payload" | "header" | "claims">,
  rules: TokenRules,
  now: number,
): VerifiedToken {
  checkType(header, claims, rules);
  checkRequired(claims, rules.requiredClaims);
  if (claims.iss !== rules.issuer) throw invalid("iss is another issuer");
  const subject = readSubject(claims, rules);
  checkAudience(claims, rules);
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
    ...readLogin(claims, rules),
    // of the payload alone: a signature may be written in several ways
    fingerprint: hash("sha256", payload, "base64url"),
  });
}

function checkType(
  header: StrictObject,
  claims: StrictObject,
  { types, allowNonce }: TokenRules,
): void {
  const { typ } = header;
  if (typ !== undefined && typeof typ !== "string") throw invalid("typ is not a string");
  if (!types.includes(typ === undefined ? undefined : normalizeType(typ)))
    throw invalid("typ is not an accepted type of token");
  const mark = foreignMark(claims, allowNonce);
  if (mark !== undefined) throw invalid(`not an access token: ${mark}`);
  // RFC 9449 §7.2, RFC 8705 §3: a bound token is never taken as a bearer token
  if (Object.hasOwn(claims, "cnf"))
    throw invalid("the token is bound to a key (cnf), and proof of possession is not supported");
}

/** What says that this is another token than an access token, if anything. */
function foreignMark(claims: StrictObject, allowNonce: boolean): string | undefined {
  const name = foreignClaims.find((claim) => Object.hasOwn(claims, claim));
  if (name !== undefined) return `it has ${name}`;
  if (claims.token_use === "id" || claims.token_use === "refresh")
    return `its token_use is ${claims.token_use}`;
  if (typeof claims.typ === "string" && foreignTypes.includes(claims.typ.toLowerCase()))
    return `its claim typ is ${shown(claims.typ)}`;
  if (claims.iss === claims.sub) return "iss and sub are the same, as in a client assertion";
  if (!allowNonce && Object.hasOwn(claims, "nonce") && !grantsAccess(claims))
    return "it has nonce, and nothing that an ID token has not";
  return undefined;
}

/** Some providers put the `nonce` of the login into the access token too, beside its scopes. */
function grantsAccess({ typ, scope, scp }: StrictObject): boolean {
  return typ === "Bearer" || !isEmpty(scope) || !isEmpty(scp);
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

function readSubject(claims: StrictObject, { subject }: TokenRules): string {
  const sub = subject === undefined ? claims.sub : callOption("subject", subject, claims);
  if (isText(sub) && sub.length <= maxSubject) return sub;
  ignoreOutcome(sub);
  const what = subject === undefined ? "sub" : "what the option subject returned";
  throw invalid(`${what} is not a string of 1 to ${maxSubject} characters`);
}

function checkAudience(
  claims: StrictObject,
  { audiences, audienceClaim, maxAudiences }: TokenRules,
): void {
  const isNamed = typeof audienceClaim === "string";
  const given: unknown = isNamed
    ? claims[audienceClaim]
    : callOption("audienceClaim", audienceClaim, claims);
  const what = isNamed ? audienceClaim : "what the option audienceClaim returned";
  const expected = `expected ${audiences.map(shown).join(" or ")}`;
  if (given === undefined || given === null) throw invalid(`${what} is missing, ${expected}`);
  const names: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (names.length > maxAudiences)
    throw invalid(`${what} has ${names.length} members, and auth.maxAudiences is ${maxAudiences}`);
  if (!names.every((name) => typeof name === "string")) {
    ignoreOutcome(given);
    throw invalid(`${what} is not a string or a list of strings, ${expected}`);
  }
  if (!names.some((name) => audiences.includes(name)))
    throw invalid(`${what} is ${shown(given)}, ${expected}`);
}

/** A string with something in it, and no half of a character. */
function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && !loneSurrogate.test(value);
}

const loneSurrogate = /\p{Surrogate}/u;

function readOptionalText(claims: StrictObject, name: string): string | undefined {
  const value = claims[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" && !loneSurrogate.test(value)) return value;
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
  const given: unknown = callOption("scopes", scopes, claims);
  if (!Array.isArray(given) || !given.every((scope) => typeof scope === "string")) {
    ignoreOutcome(given);
    throw invalid("the option scopes did not return a list of strings for these claims");
  }
  return Object.freeze([...new Set<string>(given)]);
}

function callOption(
  name: string,
  option: (claims: StrictObject) => unknown,
  claims: StrictObject,
): unknown {
  try {
    return option(claims);
  } catch {
    throw invalid(`the option ${name} threw for these claims`);
  }
}

function invalid(detail: string): TokenRefusedError {
  return new TokenRefusedError("token_invalid", detail);
}
