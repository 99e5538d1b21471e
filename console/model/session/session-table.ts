import type { ListedSession } from "./sessions.js";

export type SortColumn = keyof Pick<
  ListedSession,
  | "subject"
  | "node"
  | "since"
  | "endsAt"
  | "calls"
  | "subscriptions"
  | "bufferedBytes"
  | "address"
  | "id"
>;

export interface Sorting {
  readonly column: SortColumn;
  readonly isDescending: boolean;
}

// one for all comparisons: `localeCompare` with options makes a new one for each
const names = new Intl.Collator(undefined, { numeric: true });

/** The sessions that have a text in a member that is shown, in this order. */
export function arranged(
  sessions: readonly ListedSession[],
  text: string,
  { column, isDescending }: Sorting,
): readonly ListedSession[] {
  const wanted = text.trim().toLowerCase();
  const direction = isDescending ? -1 : 1;
  return sessions
    .filter(({ subject, node, state, address, id }) =>
      [subject ?? "", node, state, address, id].some((part) => part.toLowerCase().includes(wanted)),
    )
    .sort((one, other) => direction * compared(one[column], other[column]));
}

/** The next sorting when a column's heading is pressed. */
export function sortedBy({ column, isDescending }: Sorting, pressed: SortColumn): Sorting {
  return { column: pressed, isDescending: pressed === column ? !isDescending : false };
}

/** What isn't there comes last, before it is turned around. */
function compared(one: string | number | null, other: string | number | null): number {
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  if (typeof one === "number" && typeof other === "number") return one - other;
  return names.compare(String(one), String(other));
}
