import type { Claims } from "../provider-options.js";

/**
 * The scopes in `scope` (RFC 8693 §4.2; some issuers write a list), `scp` and `permissions`, as the usual issuers write them.
 * What is not a string grants nothing.
 */
export function defaultScopes(claims: Claims): readonly string[] {
  const { scope, scp, permissions } = claims;
  return [
    ...splitList(scope),
    ...strings(scope),
    ...splitList(scp),
    ...strings(scp),
    ...strings(permissions),
  ];
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
