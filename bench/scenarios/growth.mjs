/** What more of something costs: connections, methods, revocations. */
import { ratio } from "../lib/statistics.mjs";

const [few, many] = [10, 5_000];

async function growth(bench) {
  const of = (peer, connections) => ({ peer, connections, depth: 8 });
  const loads = {
    "bare ws echo, 10": of("echo", few),
    "jotwire, 10": of("jotwire", few),
    "bare ws echo, 5,000": of("echo", many),
    "jotwire, 5,000": of("jotwire", many),
  };
  // longer ones: 40,000 calls in flight take half a second
  const costs = await bench.compareUnderLoad(loads, { slices: 2 });
  const [echoFew, jotwireFew, echoMany, jotwireMany] = Object.values(costs);
  const grown = (after, before) => after.map((cost, round) => cost / before[round]);
  const value = ratio(grown(jotwireMany, jotwireFew), grown(echoMany, echoFew));
  const work =
    "growth of the cost of a call from 10 to 5,000 connections, over bare ws's own growth";
  return [
    { id: "growth", work, target: 1.1, value, costs },
    {
      id: "growthFew",
      work: "calls on 10 connections, over a bare ws echo",
      target: 1,
      value: ratio(jotwireFew, echoFew),
    },
    {
      id: "growthMany",
      work: "calls on 5,000 connections, over a bare ws echo",
      target: 1,
      value: ratio(jotwireMany, echoMany),
    },
  ];
}

async function lists(bench) {
  const of = (options) => ({ peer: "jotwire", connections: 16, depth: 8, options });
  const costs = await bench.compareUnderLoad({
    "10 methods, no revocation": of({ methods: 7, revocations: 0 }),
    "1,000 methods": of({ methods: 997, revocations: 0 }),
    "1,000,000 revocations": of({ methods: 7, revocations: 1_000_000 }),
  });
  const [base, methods, revocations] = Object.values(costs);
  return [
    {
      id: "methods",
      work: "a call, from 10 to 1,000 methods",
      target: 1.05,
      value: ratio(methods, base),
      costs,
    },
    {
      id: "revocations",
      work: "a call, from 0 to 1,000,000 revocations",
      target: 1.05,
      value: ratio(revocations, base),
    },
  ];
}

export const growthScenarios = { growth, lists };
