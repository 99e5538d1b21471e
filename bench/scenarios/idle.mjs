/** What connections cost that do nothing. */
import { setTimeout as delay } from "node:timers/promises";
import { ratio, summary } from "../lib/statistics.mjs";

const warmUpConnections = 1_000;
const idleConnections = 4_000;
const kibibyte = 1_024;

/**
 * Resident memory of one connection, KiB: what 4,000 of them add to a server that has seen some
 * already.
 */
async function memoryOfOne(bench, name) {
  const { child, port } = await bench.serve(name, {}, ["--expose-gc"]);
  const { dialect } = bench.peer(name);
  const open = async (count) => {
    const group = bench.newGroupName(name);
    await bench.load.ask("open", { name: group, port, dialect, count });
    return () => bench.load.ask("close", { name: group });
  };
  const closeFirst = await open(warmUpConnections);
  await closeFirst();
  const before = await child.ask("memory");
  const close = await open(idleConnections);
  const after = await child.ask("memory");
  await close();
  await bench.stop(child);
  return (after.resident - before.resident) / idleConnections / kibibyte;
}

async function memory(bench) {
  const costs = { echo: [], jotwire: [] };
  for (let round = 0; round < bench.rounds; round++) {
    for (const name of Object.keys(costs)) costs[name].push(await memoryOfOne(bench, name));
  }
  const work = "an idle authenticated connection, resident memory";
  return [
    {
      id: "memory",
      work: `${work}, over bare ws`,
      target: 1.5,
      value: ratio(costs.jotwire, costs.echo),
      costs,
      costUnit: "KiB",
    },
    { id: "memoryAbsolute", work, target: 8, unit: " KiB", value: summary(costs.jotwire) },
  ];
}

const beatingConnections = 2_000;
// ms between two pings of a connection: 25 times the default's rate, so that there is something to
// measure
const interval = 1_000;
const settling = 4; // intervals after the last connection: what was left of authentication is over
const watched = 2; // intervals in a round

/** Both servers beat at the same time, so both are measured at the same time. */
async function heartbeat(bench) {
  const options = {
    heartbeat: { interval },
    jotwire: { limits: { pingInterval: interval, pongTimeout: interval / 2 } },
  };
  const costs = { heartbeat: [], jotwire: [] };
  const children = {};
  for (const name of Object.keys(costs)) {
    const { child, port } = await bench.serve(name, options[name]);
    await bench.load.ask("open", {
      name,
      port,
      dialect: bench.peer(name).dialect,
      count: beatingConnections,
    });
    children[name] = child;
  }
  await delay(settling * interval);
  for (let round = 0; round < bench.rounds; round++) {
    const times = async () => ({
      heartbeat: await children.heartbeat.ask("cpu"),
      jotwire: await children.jotwire.ask("cpu"),
    });
    const before = await times();
    await delay(watched * interval);
    const after = await times();
    for (const name of Object.keys(costs))
      costs[name].push((after[name] - before[name]) / (beatingConnections * watched));
  }
  for (const [name, child] of Object.entries(children)) {
    await bench.load.ask("close", { name });
    await bench.stop(child);
  }
  const work = "idle connections with heartbeats, over bare ws with the heartbeat of its README";
  return [
    { id: "heartbeat", work, target: 1, value: ratio(costs.jotwire, costs.heartbeat), costs },
  ];
}

export const idleScenarios = { memory, heartbeat };
