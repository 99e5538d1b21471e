/** Who may call a method. */
import type { ErrorObject } from "../../protocol/error-codes.js";
import { errorOf } from "../../protocol/error-codes.js";

/** Who is calling. Frozen; one object for as long as a token is in force. */
export interface Auth<ClaimsType = Readonly<Record<string, unknown>>> {
  /** The `iss` claim. */
  readonly issuer: string;
  /** The `sub` claim: the user. */
  readonly subject: string;
  /** The scopes that the token grants. */
  readonly scopes: readonly string[];
  /** As the `claims` schema returned them; without one, as they stand in the token. */
  readonly claims: ClaimsType;
  /** When the token expires (`exp`), in milliseconds since 1970. */
  readonly expiresAt: number;
  /** The `jti` claim: the id of this one token. */
  readonly tokenId: string | undefined;
  /** The `sid` claim: the login that the token belongs to. */
  readonly sessionId: string | undefined;
  /** The `client_id` claim: the client that the token was issued to. */
  readonly clientId: string | undefined;
  /** The authentication context classes that the login has met: the claim `acr` or `acrs`. */
  readonly acrValues: readonly string[];
  /** When the user logged in (`auth_time`), in milliseconds since 1970. */
  readonly authenticatedAt: number | undefined;
}

/**
 * A scope, several that are all needed, or several of which one is enough. Compared exactly, case
 * and all.
 */
export type ScopeRule<Scope extends string = string> =
  | Scope
  | readonly Scope[]
  | { readonly anyOf: readonly Scope[] };

export interface AccessRule {
  readonly public: boolean;
  readonly allOf: readonly string[];
  /** Of each of these lists, one is enough. Empty: no such rule. */
  readonly anyOf: readonly (readonly string[])[];
}

/** @param scopes what a caller needs, all of it together */
export function accessRule(
  isPublic: boolean,
  scopes: readonly ScopeRule[],
  known: ReadonlySet<string> | undefined,
): AccessRule {
  if (isPublic && scopes.length > 0) throw new TypeError("a public method can't have a scope");
  const anyOf = scopes.flatMap((scope) => (isAnyOf(scope) ? [scope.anyOf] : []));
  const allOf = [...new Set(scopes.flatMap((scope) => (isAnyOf(scope) ? [] : scope)))];
  for (const name of [...allOf, ...anyOf.flat()]) {
    if (known !== undefined && !known.has(name))
      throw new TypeError(
        `scope "${name}" is not among the declared ones: ${[...known].join(", ")}`,
      );
    if (!/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(name))
      throw new TypeError(
        `"${name}" is not a scope (RFC 6749 §3.3: no spaces, quotes or backslashes)`,
      );
  }
  return { public: isPublic, allOf, anyOf };
}

function isAnyOf(scope: ScopeRule): scope is { readonly anyOf: readonly string[] } {
  return typeof scope === "object" && "anyOf" in scope;
}

/** All scopes that a rule names. */
export function scopesNamedBy({ allOf, anyOf }: AccessRule): readonly string[] {
  return [...new Set([...allOf, ...anyOf.flat()])];
}

/** Returns the error to answer with if the scopes of `auth` do not satisfy the rule, or null. */
export function checkAccess(rule: AccessRule, auth: Auth | null): ErrorObject | null {
  if (rule.public) return null;
  if (auth === null) return errorOf("unauthenticated");
  const { allOf, anyOf } = rule;
  if (allOf.length > 0) {
    const missing = allOf.filter((scope) => !auth.scopes.includes(scope));
    if (missing.length > 0) return errorOf("forbidden", { required: allOf, missing });
  }
  for (const group of anyOf) {
    if (!group.some((scope) => auth.scopes.includes(scope)))
      return errorOf("forbidden", {
        required: group,
        missing: group,
        hint: "one of the required scopes is enough",
      });
  }
  return null;
}
