import type { Claims, ProviderOptions, VerifiedToken } from "../provider-options.js";
import { claimAt } from "./scopes.js";

/** Where a token says how and when its user logged in. */
export interface LoginRules {
  readonly acrClaims: readonly string[];
  readonly authTimeClaim: string;
}

/** `acr` of RFC 9068 §2.2.1, and Entra's list of the contexts that were met. */
const usualAcrClaims = ["acr", "acrs"];

/** @throws TypeError that says what to change; `prefix` names the options */
export function readLoginOptions(
  prefix: string,
  {
    acrClaim = usualAcrClaims,
    authTimeClaim = "auth_time",
  }: Pick<ProviderOptions, "acrClaim" | "authTimeClaim">,
): LoginRules {
  const acrClaims = [acrClaim].flat() as readonly unknown[];
  if (acrClaims.length === 0 || !acrClaims.every(isName))
    throw new TypeError(
      `${prefix}.acrClaim must be the name of a claim such as "acr", or a path to it, or several`,
    );
  if (!isName(authTimeClaim))
    throw new TypeError(
      `${prefix}.authTimeClaim must be the name of a claim such as "auth_time", or a path to it`,
    );
  return { acrClaims, authTimeClaim };
}

/**
 * How and when the user logged in. A claim of another type says nothing: the token is good without
 * it.
 */
export function readLogin(
  claims: Claims,
  { acrClaims, authTimeClaim }: LoginRules,
): Pick<VerifiedToken, "acrValues" | "authenticatedAt"> {
  const named = acrClaims.flatMap((path) => claimAt(claims, path));
  const time = claimAt(claims, authTimeClaim);
  return {
    acrValues: Object.freeze([...new Set(named.filter(isName))]),
    authenticatedAt:
      typeof time === "number" && time >= 0 && time <= Number.MAX_SAFE_INTEGER
        ? time * 1_000
        : undefined,
  };
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
