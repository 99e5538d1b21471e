const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/; // RFC 6749 §3.3

/** Throws when one of the scopes can't stand in a `scope` string. */
export function checkedScopes(scopes: readonly string[]): readonly string[] {
  for (const scope of scopes) {
    if (scopeToken.test(scope)) continue;
    throw new Error(
      `${JSON.stringify(scope)} is no scope: use visible ASCII characters without spaces, quotes and backslashes`,
    );
  }
  return [...new Set(scopes)];
}

/** The scopes of a `scope` parameter. */
export function scopesOf(parameter: string): readonly string[] {
  return parameter.split(" ").filter((scope) => scope !== "");
}

export function intersection(one: readonly string[], other: readonly string[]): readonly string[] {
  return one.filter((scope) => other.includes(scope));
}

export function isWithin(asked: readonly string[], granted: readonly string[]): boolean {
  return asked.every((scope) => granted.includes(scope));
}
