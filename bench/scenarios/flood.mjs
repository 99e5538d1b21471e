/** How long a healthy client waits beside one that floods. */
import { percentile, ratio, summary } from "../lib/statistics.mjs";

const pause = 2; // ms between two calls of the healthy client
const settle = 100; // ms of flood before the healthy client is measured

/**
 * `measure` resolves with the 99th percentile of the healthy client's round trips, milliseconds.
 * The flood comes from another process.
 */
async function beside(bench, name, flooder) {
  const { child, port } = await bench.serve(name);
  const of = { name, port, dialect: bench.peer(name).dialect, count: 1, kind: "calls" };
  await Promise.all([bench.load.ask("open", of), flooder.ask("open", of)]);
  const measure = async () => {
    const flood = flooder.ask("flood", { name, duration: bench.duration + settle });
    const latencies = await bench.load.ask("latencies", { name, pause, duration: bench.duration });
    await flood;
    return percentile(latencies, 0.99);
  };
  return { measure, stop: () => bench.stop(child) };
}

async function flood(bench) {
  const flooder = bench.start("load/generator.mjs");
  await flooder.ask("keys", bench.keys);
  const subjects = {
    echo: await beside(bench, "echo", flooder),
    jotwire: await beside(bench, "jotwire", flooder),
  };
  const costs = { echo: [], jotwire: [] };
  for (let round = -1; round < bench.rounds; round++) {
    for (const name of Object.keys(costs)) {
      const found = await subjects[name].measure();
      if (round >= 0) costs[name].push(found);
    }
  }
  for (const { stop } of Object.values(subjects)) await stop();
  await bench.stop(flooder);
  const work = "p99 of a healthy client while another floods";
  return [
    {
      id: "flood",
      work: `${work}, over the same beside bare ws`,
      target: 0.3,
      value: ratio(costs.jotwire, costs.echo),
      costs,
      costUnit: "ms",
    },
    { id: "floodAbsolute", work, unit: " ms", value: summary(costs.jotwire) },
  ];
}

export const floodScenarios = { flood };
