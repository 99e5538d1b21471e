/** What rules, middleware and snapshots cost, and that nobody else pays for them. */
import { ratio } from "../lib/statistics.mjs";

const load = { connections: 16, depth: 8 };

/** Each is compared with the same without. */
const comparisons = [
  {
    id: "rulesBeside",
    work: "a call without rules in an application that has them, over one in an application without",
    target: 1.05,
    names: ["rules", "jotwire"],
  },
  {
    id: "ruleNow",
    work: "a call with a synchronous `authorize`, over one without",
    target: 1.1,
    names: ["rulesNow", "rules"],
  },
  {
    id: "ruleLater",
    work: "a call with an asynchronous `authorize` that asks nobody, over one without",
    names: ["rulesLater", "rules"],
  },
  {
    id: "middleware",
    work: "a call with one middleware that only calls `next`, over one without",
    names: ["middleware", "rules"],
  },
  {
    id: "snapshot",
    work: "a subscription call with a small snapshot, over one without",
    names: ["snapshot", "noSnapshot"],
  },
];

async function rules(bench) {
  const names = [...new Set(comparisons.flatMap((one) => one.names))];
  const costs = await bench.compareUnderLoad(Object.fromEntries(names.map((name) => [name, load])));
  return comparisons.map(({ names: [what, base], ...row }) => ({
    ...row,
    value: ratio(costs[what], costs[base]),
    costs: { [base]: costs[base], [what]: costs[what] },
  }));
}

export const ruleScenarios = { rules };
