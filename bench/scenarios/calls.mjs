/** What a call costs, by the way the calls come. */
import { callPeers, jsonRpcPeers, peers } from "../lib/peers.mjs";
import { median, ratio } from "../lib/statistics.mjs";

const sixteenByEight = { connections: 16, depth: 8 };

async function calls(bench) {
  const costs = await bench.compareUnderLoad({ echo: sixteenByEight, jotwire: sixteenByEight });
  return [
    {
      id: "calls",
      work: "16 × 8 calls, no schema, over a bare ws echo",
      target: 0.8,
      value: ratio(costs.jotwire, costs.echo),
      costs,
    },
  ];
}

async function schema(bench) {
  const costs = await bench.compareUnderLoad({
    echo: sixteenByEight,
    jotwireChecked: sixteenByEight,
  });
  const value = ratio(costs.jotwireChecked, costs.echo);
  return [
    {
      id: "schema",
      work: "16 × 8 calls, a zod schema on the params, over a bare ws echo",
      target: 0.95,
      value,
      costs,
    },
  ];
}

async function single(bench) {
  const shape = { connections: 64, depth: 1 };
  const costs = await bench.compareUnderLoad({ echo: shape, jotwire: shape });
  return [
    {
      id: "single",
      work: "64 × 1 call, over a bare ws echo",
      target: 1.4,
      value: ratio(costs.jotwire, costs.echo),
      costs,
    },
  ];
}

async function batch(bench) {
  const costs = await bench.compareUnderLoad({
    echo: sixteenByEight,
    jotwire: { connections: 16, depth: 1, batch: 20 },
  });
  const value = ratio(costs.jotwire, costs.echo);
  return [
    {
      id: "batch",
      work: "a batch of 20, per element, over one bare ws echo",
      target: 0.45,
      value,
      costs,
    },
  ];
}

async function allPeers(bench) {
  const costs = await bench.compareUnderLoad(
    Object.fromEntries(callPeers.map((name) => [name, sixteenByEight])),
  );
  const [best] = jsonRpcPeers.toSorted((a, b) => median(costs[a]) - median(costs[b]));
  const work = `16 × 8 calls, no schema, over the best JSON-RPC peer (${peers[best].label})`;
  return [{ id: "peers", work, target: 0.5, value: ratio(costs.jotwire, costs[best]), costs }];
}

export const callScenarios = { calls, peers: allPeers, schema, single, batch };
