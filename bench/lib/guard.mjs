const worst = 1.25; // of what it was

/**
 * The rows that are more than 25 % worse than before. Only what has a target is judged, and not
 * while it is better than half of that: there a quarter more is noise. `before`: id → `{ median }`.
 */
export function worseThan(before, rows) {
  return rows.filter(({ id, value, target }) => {
    const known = before[id];
    if (value === undefined || target === undefined || known === undefined) return false;
    return value.median > known.median * worst && value.median > target / 2;
  });
}
