import { Method, type Router, Subscription, Topic } from "../../index.js";

/**
 * Every scope that the application knows: the declared ones, or else those that its methods,
 * subscriptions and topics ask for.
 */
export function scopesOf({ scopes, routes }: Router<unknown>): readonly string[] {
  return scopes === undefined ? [...new Set(scopesIn(routes))] : [...scopes];
}

function scopesIn(route: unknown): readonly string[] {
  if (route instanceof Method || route instanceof Subscription || route instanceof Topic) {
    const { scope } = route.definition;
    if (scope === undefined) return [];
    if (typeof scope === "string") return [scope];
    return "anyOf" in scope ? scope.anyOf : scope;
  }
  return typeof route === "object" && route !== null ? Object.values(route).flatMap(scopesIn) : [];
}
