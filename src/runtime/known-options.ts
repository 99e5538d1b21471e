/**
 * For callers without types: a misspelt option would be ignored, and its default might let more in
 * than was meant. Throws `TypeError` that names the nearest option there is. `what`: whose options
 * they are. `known` has the names as members: `satisfies Record<keyof Options, true>` keeps it
 * whole.
 */
export function refuseUnknownOptions(what: string, given: object, known: object): void {
  const names = Object.keys(known);
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(known, name)) continue;
    const nearest = names
      .map((other) => ({ other, distance: distanceOf(name, other) }))
      .sort((a, b) => a.distance - b.distance)[0];
    const isNear = nearest !== undefined && nearest.distance <= Math.max(2, name.length / 3);
    throw new TypeError(
      `${what}: there is no "${name}"; ${isNear ? `did you mean "${nearest.other}"?` : `there are ${names.join(", ")}`}`,
    );
  }
}

/**
 * Levenshtein's: how many letters must be put in, left out or changed; upper and lower case are
 * one.
 */
function distanceOf(a: string, b: string): number {
  const to = b.toLowerCase();
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...a.toLowerCase()].entries()) {
    const next = [index + 1];
    for (let at = 1; at <= to.length; at++) {
      const changed = (row[at - 1] ?? 0) + (to[at - 1] === letter ? 0 : 1);
      next.push(Math.min(changed, (row[at] ?? 0) + 1, (next[at - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
