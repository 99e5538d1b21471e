import { authScenarios } from "./auth.mjs";
import { callScenarios } from "./calls.mjs";
import { clientScenarios } from "./client.mjs";
import { floodScenarios } from "./flood.mjs";
import { growthScenarios } from "./growth.mjs";
import { idleScenarios } from "./idle.mjs";
import { restartScenarios } from "./restart.mjs";

/** The server has no subscriptions yet. */
function events() {
  return [{ id: "events", work: "an event to 1,000 subscribers, over `for (c of clients) c.send(string)`", target: 1 }];
}

/** Each is given a `Bench` and resolves with rows: `{ id, work, target?, value?: { median, min, max }, unit?, costs?, costUnit? }`. */
export const scenarios = {
  ...callScenarios,
  ...authScenarios,
  ...idleScenarios,
  ...growthScenarios,
  ...floodScenarios,
  ...clientScenarios,
  ...restartScenarios,
  events,
};
