import { messageOf } from "../cli-error.js";

export interface Finding {
  /** `unsafe` includes settings that do not work at all. */
  readonly level: "unsafe" | "warning" | "ok";
  /** Name of the check. */
  readonly check: string;
  /** The problem and its solution. */
  readonly advice: string;
}

/** Findings of one check; empty if there is nothing to do. */
export type Found = readonly Omit<Finding, "check">[];

/**
 * Runs a check. Reports `ok` if it has no findings, and `unsafe` if it throws.
 */
export async function findOut(
  check: string,
  run: () => Promise<Found>,
): Promise<readonly Finding[]> {
  try {
    const found = await run();
    return found.length === 0
      ? [{ level: "ok", check, advice: "nothing to do" }]
      : found.map((finding) => ({ ...finding, check }));
  } catch (error) {
    return [{ level: "unsafe", check, advice: messageOf(error) }];
  }
}
