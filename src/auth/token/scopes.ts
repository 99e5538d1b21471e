import type { Claims } from "../provider-options.js";
import { isObject } from "./strict-json.js";

/** The claims in which the usual issuers write scopes. */
export const usualScopeClaims: readonly string[] = ["scope", "scp", "permissions"];

/**
 * Returns the scopes in `scope` (RFC 8693 §4.2; some issuers write a list), `scp` and
 * `permissions`, as the usual issuers write them. A value that is not a string grants nothing.
 */
export function defaultScopes(claims: Claims): readonly string[] {
  const { scope, scp, permissions } = claims;
  return [...scopesIn(scope), ...scopesIn(scp), ...strings(permissions)];
}

/** Returns a function that reads the scopes in the claims of these names or paths. */
export function scopesOfClaims(paths: readonly string[]): (claims: Claims) => readonly string[] {
  return (claims) => paths.flatMap((path) => scopesIn(claimAt(claims, path)));
}

/**
 * Finds a claim by its name, or by the names of the objects around it with dots between:
 * `realm_access.roles`. A claim whose whole name is `path` comes first, since names such as
 * `https://example.com/roles` have dots of their own; then the longest name that leads to a value.
 */
export function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  for (let dot = path.lastIndexOf("."); dot > 0; dot = path.lastIndexOf(".", dot - 1)) {
    const name = path.slice(0, dot);
    const inner = Object.hasOwn(claims, name) ? claims[name] : undefined;
    const found = isObject(inner) ? claimAt(inner, path.slice(dot + 1)) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Returns the scopes in a claim: a list of strings, or one string with spaces between them. */
export function scopesIn(value: unknown): readonly string[] {
  return [...splitList(value), ...strings(value)];
}

/** Split on single spaces alone (RFC 6749 §3.3): a tab or a no-break space is part of a name. */
function splitList(value: unknown): readonly string[] {
  return typeof value === "string" ? value.split(" ").filter((name) => name !== "") : [];
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value)
    ? value.filter((item) => typeof item === "string" && item !== "")
    : [];
}
