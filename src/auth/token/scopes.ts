import type { Claims, ProviderOptions } from "../provider-options.js";
import { isObject } from "./strict-json.js";

/** The claims in which the usual issuers write scopes. */
const usualScopeClaims: readonly string[] = ["scope", "scp", "permissions"];

/** How the scopes of a token are read. */
export interface ScopeRules {
  readonly scopes: (claims: Claims) => readonly string[];
  /** Where `scopes` reads them; undefined if that is for a function of the application to know. */
  readonly scopeClaims: readonly string[] | undefined;
}

/** @throws TypeError that says what to change; `prefix` names the options */
export function readScopeOptions(
  prefix: string,
  { scopes, scopesClaim }: Pick<ProviderOptions, "scopes" | "scopesClaim">,
): ScopeRules {
  if (scopes !== undefined && scopesClaim !== undefined)
    throw new TypeError(`${prefix}: give one of scopes and scopesClaim, not both`);
  if (scopes !== undefined) {
    if (typeof scopes !== "function")
      throw new TypeError(
        `${prefix}.scopes must be a function of the claims; name claims by scopesClaim`,
      );
    return { scopes, scopeClaims: undefined };
  }
  if (scopesClaim === undefined) return { scopes: defaultScopes, scopeClaims: usualScopeClaims };
  const scopeClaims: readonly unknown[] = [scopesClaim].flat();
  if (scopeClaims.length === 0 || !scopeClaims.every(isName))
    throw new TypeError(
      `${prefix}.scopesClaim must be the name of a claim or a path such as "realm_access.roles", or several`,
    );
  return { scopes: scopesOfClaims(scopeClaims), scopeClaims };
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

/**
 * Returns the scopes in `scope` (RFC 8693 §4.2; some issuers write a list), `scp` and
 * `permissions`, as the usual issuers write them. A value that is not a string grants nothing.
 */
function defaultScopes(claims: Claims): readonly string[] {
  const { scope, scp, permissions } = claims;
  return [...scopesIn(scope), ...scopesIn(scp), ...strings(permissions)];
}

/** Returns a function that reads the scopes in the claims of these names or paths. */
function scopesOfClaims(paths: readonly string[]): (claims: Claims) => readonly string[] {
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
