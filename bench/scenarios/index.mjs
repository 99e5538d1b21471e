import { authScenarios } from "./auth.mjs";
import { callScenarios } from "./calls.mjs";
import { clientScenarios } from "./client.mjs";
import { eventScenarios } from "./events.mjs";
import { floodScenarios } from "./flood.mjs";
import { growthScenarios } from "./growth.mjs";
import { idleScenarios } from "./idle.mjs";
import { removalScenarios } from "./removal.mjs";
import { restartScenarios } from "./restart.mjs";
import { ruleScenarios } from "./rules.mjs";

/**
 * Each is given a `Bench` and resolves with rows:
 * `{ id, work, target?, value?: { median, min, max }, unit?, costs?, costUnit? }`.
 */
export const scenarios = {
  ...callScenarios,
  ...authScenarios,
  ...idleScenarios,
  ...growthScenarios,
  ...floodScenarios,
  ...clientScenarios,
  ...eventScenarios,
  ...restartScenarios,
  ...removalScenarios,
  ...ruleScenarios,
};
