import type { ChaosSettings, Fault } from "./fault.js";
import type { Score } from "./scoreboard.js";
import { Tally } from "./tally.js";

/** Does one kind of harm, and scores it. What fails in between is a violation too. */
export async function inflict(fault: Fault, settings: ChaosSettings): Promise<Score> {
  const startedAt = performance.now();
  const obstacle = fault.obstacle?.();
  if (obstacle !== undefined) return { name: fault.name, what: obstacle, seconds: 0 };
  const tally = new Tally();
  const what = await fault.run(settings, tally).catch((error: unknown) => {
    tally.violation(`it broke off: ${error instanceof Error ? error.message : String(error)}`);
    return "broke off";
  });
  if (tally.falselyRevoked > 0)
    tally.violation(
      `${tally.falselyRevoked} refresh tokens were refused though nobody else had used them`,
    );
  return { name: fault.name, what, tally, seconds: (performance.now() - startedAt) / 1_000 };
}
