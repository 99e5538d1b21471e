import type { TokenRules } from "../auth/keys/provider.js";
import type { Claims, VerifiedToken } from "../auth/provider-options.js";
import { claimAt, scopesIn } from "../auth/token/scopes.js";
import { isObject } from "../auth/token/strict-json.js";
import { accessRule, scopesNamedBy } from "../rpc/define/access.js";
import type { Router } from "../rpc/define/create-rpc.js";
import { Method } from "../rpc/define/declared-method.js";
import { Subscription, Topic } from "../rpc/define/declared-subscription.js";
import { scopeRulesOf } from "../rpc/define/layers.js";

/**
 * Every scope that the application knows: the declared ones, or else those that its methods,
 * subscriptions and topics ask for.
 */
export function scopesOf({ scopes, routes }: Router<unknown>): readonly string[] {
  return scopes === undefined ? [...new Set(scopesOfRoute(routes))] : [...scopes];
}

function scopesOfRoute(route: unknown): readonly string[] {
  if (route instanceof Method || route instanceof Subscription || route instanceof Topic) {
    return scopesNamedBy(accessRule(false, scopeRulesOf(route), undefined));
  }
  return isObject(route) ? Object.values(route).flatMap(scopesOfRoute) : [];
}

/** A token without any scope of the application, for the log. Names of claims, and no values. */
export interface UnknownScopes {
  readonly issuer: string;
  /** The claims from which scopes are read; undefined where a function of the application does. */
  readonly read: readonly string[] | undefined;
  /** The claims that the token has. */
  readonly present: readonly string[];
  /** Scopes that the application knows. */
  readonly expected: readonly string[];
  /** What to do. */
  readonly detail: string;
}

const maxIssuers = 1_000;
const maxListed = 32; // claims and scopes in a line of the log
const maxName = 100; // characters
const maxVisited = 200; // claims that are searched for scopes
const maxDepth = 3;
/** Users write these claims themselves (Supabase, Clerk): they must grant nothing. */
const writtenByUsers = /^(?:user|unsafe)_?metadata$/i;

/**
 * Notices issuers whose tokens grant no scope that the application knows, which looks to callers as
 * if they had no rights. Judges the first token of each issuer.
 */
export class ScopeAdvice {
  readonly #known: ReadonlySet<string>;
  readonly #onUnknown: (found: UnknownScopes) => void;
  readonly #seen: Set<string>;

  /** `embedded`: issuers whose tokens have their scopes in the right place. */
  constructor(
    known: readonly string[],
    embedded: readonly string[],
    onUnknown: (found: UnknownScopes) => void,
  ) {
    this.#known = new Set(known);
    this.#seen = new Set(embedded);
    this.#onUnknown = onUnknown;
  }

  accepted(
    { issuer, scopes, claims }: VerifiedToken,
    { scopeClaims: read }: Pick<TokenRules, "scopeClaims">,
  ): void {
    if (this.#known.size === 0 || this.#seen.has(issuer) || this.#seen.size >= maxIssuers) return;
    this.#seen.add(issuer);
    if (scopes.some((scope) => this.#known.has(scope))) return;
    const places = this.#placesIn(claims).filter((place) => read?.includes(place) !== true);
    this.#onUnknown({
      issuer,
      read,
      present: Object.keys(claims).slice(0, maxListed).map(cut),
      expected: [...this.#known].slice(0, maxListed).map(cut),
      detail: adviceOn(read, places),
    });
  }

  /** Paths of the claims that hold a scope which the application knows. */
  #placesIn(claims: Claims): readonly string[] {
    const places: string[] = [];
    let visited = 0;
    const search = (object: Claims, prefix: string, depth: number): void => {
      for (const [name, value] of Object.entries(object)) {
        if (++visited > maxVisited || places.length >= maxListed) return;
        const path = `${prefix}${name}`;
        if (writtenByUsers.test(name)) continue;
        if (isObject(value)) {
          if (depth < maxDepth) search(value, `${path}.`, depth + 1);
        } else if (path.length <= maxName && this.#grants(claims, path)) places.push(path);
      }
    };
    search(claims, "", 1);
    return places;
  }

  /** Would the option `scopesClaim` with this path grant a scope that the application knows? */
  #grants(claims: Claims, path: string): boolean {
    return scopesIn(claimAt(claims, path)).some((scope) => this.#known.has(scope));
  }
}

function adviceOn(read: readonly string[] | undefined, places: readonly string[]): string {
  if (read === undefined)
    return "the function in auth.scopes returned no scope that the application knows";
  const none = `${read.join(", ")} of the token ${read.length === 1 ? "holds" : "hold"} no scope that the application knows`;
  return places.length === 0
    ? `${none}; if this user has rights, name the claim that holds them: auth.scopesClaim, jotwire serve --scopes-claim`
    : `${none}, and ${places.join(", ")} ${places.length === 1 ? "does" : "do"}; name it: auth.scopesClaim, jotwire serve --scopes-claim`;
}

function cut(name: string): string {
  return name.length > maxName ? `${name.slice(0, maxName)}…` : name;
}
