import { messageOf } from "../cli-error.js";

export interface Finding {
  /** `unsafe`: also what will not work at all. */
  readonly level: "unsafe" | "warning" | "ok";
  /** What was looked at. */
  readonly check: string;
  /** What is wrong, and what to do. */
  readonly advice: string;
}

/** What one check has found; empty: nothing to do. */
export type Found = readonly Omit<Finding, "check">[];

/**
 * What a check has found; that it could not be made is a finding too, and that it has found nothing
 * is told.
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
