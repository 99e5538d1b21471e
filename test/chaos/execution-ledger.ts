import { readFile } from "node:fs/promises";

/**
 * Milliseconds for which the machine may keep a call from running that was judged in time: what it
 * writes down comes after that.
 */
const stolen = 100;

export interface LedgerVerdict {
  /** Acknowledged to the caller, but never executed. */
  readonly lost: readonly string[];
  readonly twice: readonly string[];
  /** Executed for a session that had expired, with the milliseconds since then. */
  readonly late: readonly string[];
}

/** What the nodes have executed, line by line, beside what callers were told. */
export function judgeExecutions(
  lines: readonly string[],
  acknowledged: Iterable<string>,
): LedgerVerdict {
  const times = new Map<string, number>();
  const late: string[] = [];
  for (const line of lines) {
    const [id = "", remark, by] = line.split(" ");
    times.set(id, (times.get(id) ?? 0) + 1);
    if (remark === "late" && Number(by) > stolen) late.push(`${id}, by ${by} ms,`);
  }
  const lost = [...acknowledged].filter((id) => !times.has(id));
  const twice = [...times].filter(([, count]) => count > 1).map(([id]) => id);
  return { lost, twice, late };
}

/** The lines of the files to which nodes have appended. */
export async function readLedgers(files: readonly string[]): Promise<readonly string[]> {
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8")));
  return texts.flatMap((text) => text.split("\n").filter((line) => line !== ""));
}
