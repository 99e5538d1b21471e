const maxLength = 200; // characters

/** A value that somebody else chose, for a log line or a hint: as JSON, and not at any length. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
}
