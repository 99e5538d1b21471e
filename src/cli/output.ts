/** All that the commands print: results on standard output, the rest on standard error. */

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One line of JSON. */
export function printJson(value: unknown): void {
  printLine(visible(JSON.stringify(value) ?? "null"));
}

/** One line, whatever is in it. */
export function printError(message: string): void {
  process.stderr.write(`jotwire: ${oneLine(message)}\n`);
}

export function printNote(message: string): void {
  process.stderr.write(`${oneLine(message)}\n`);
}

/** A folder that wasn't there may be a wrong one: no server has used it. */
export function printNewFolder({ path }: { readonly path: string }): void {
  printNote(
    `the state folder ${path} was made new: if a server uses another, name that one with --state`,
  );
}

/**
 * What came from a peer may not move the cursor or ring the bell: control characters are written
 * out.
 */
export function visible(text: string): string {
  return text.replace(/[^\P{Cc}\n]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, escaped);
}

function escaped(character: string): string {
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
}

function oneLine(text: string): string {
  return visible(text.trim().replace(/\s*\n\s*/g, " "));
}

/** Rows in columns, two spaces apart. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  for (const row of rows)
    printLine(
      visible(
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd(),
      ),
    );
}
