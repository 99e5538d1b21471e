/** Reads what stands in a frame, whatever that is. */
export interface Message {
  readonly id?: unknown;
  readonly method?: unknown;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}

export type Members = Readonly<Record<string, unknown>>;

/** The members of an object; none for anything else. */
export function membersOf(value: unknown): Members {
  return typeof value === "object" && value !== null ? (value as Members) : {};
}

/** A member that the object itself has: every object inherits a `constructor`. */
export function ownMember(members: Members, name: string): unknown {
  return Object.hasOwn(members, name) ? members[name] : undefined;
}

/** The messages of a frame: one, or those of a batch; none when it isn't JSON. */
export function messagesIn(text: string): readonly Message[] {
  try {
    const frame: unknown = JSON.parse(text);
    return (Array.isArray(frame) ? frame : [frame]).map(membersOf);
  } catch {
    return []; // shown as it came
  }
}

export const stringIn = (value: unknown): string | undefined =>
  typeof value === "string" ? value : undefined;
export const numberIn = (value: unknown): number | undefined =>
  typeof value === "number" ? value : undefined;
export const stringsIn = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((element) => typeof element === "string") : [];
