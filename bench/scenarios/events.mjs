/** What an event costs that many hear. */
import { ratio, summary } from "../lib/statistics.mjs";

const subscribers = 1_000;
const [few, many] = [250, 4_000];
const mebibyte = 2 ** 20;

/**
 * Subscribers to events: `measure` resolves with the CPU time of the server, microseconds, for each
 * event of `plan`; all must have come.
 */
async function underEvents(bench, name, count, plan) {
  const { child, port } = await bench.serve(name);
  const group = bench.newGroupName(name);
  await bench.load.ask("open", { name: group, port, dialect: bench.peer(name).dialect, count });
  const measure = async () => {
    const heard = bench.load.ask("hear", { name: group, count: plan.events });
    const before = await child.ask("cpu");
    await Promise.all([child.ask("publish", plan), heard]);
    return { cost: (await child.ask("cpu")) - before, work: plan.events };
  };
  const stall = () => bench.load.ask("stall", { name: group });
  const close = async () => {
    await bench.load.ask("close", { name: group });
    await bench.stop(child);
  };
  return { child, measure, stall, close };
}

async function compare(bench, subjects) {
  const costs = await bench.interleave(subjects, { slices: 3 });
  for (const { close } of Object.values(subjects)) await close();
  return costs;
}

/** One event in a turn of the event loop, or several. */
async function fanOut(bench, plan) {
  return compare(bench, {
    fanOut: await underEvents(bench, "fanOut", subscribers, plan),
    jotwire: await underEvents(bench, "jotwireFanOut", subscribers, plan),
  });
}

async function events(bench) {
  const costs = await fanOut(bench, { events: 30, perTurn: 1 });
  const work = "an event to 1,000 subscribers, over `for (c of clients) c.send(string)`";
  return [{ id: "events", work, target: 1, value: ratio(costs.jotwire, costs.fanOut), costs }];
}

async function manyEvents(bench) {
  const costs = await fanOut(bench, { events: 100, perTurn: 10 });
  const work =
    "an event to 1,000 subscribers, 10 in a turn, over `for (c of clients) c.send(string)`";
  return [
    { id: "manyEvents", work, target: 0.25, value: ratio(costs.jotwire, costs.fanOut), costs },
  ];
}

/** As many deliveries to few as to many. */
async function fanOutGrowth(bench) {
  const plans = {
    [few]: { events: (10 * many) / few, perTurn: 1 },
    [many]: { events: 10, perTurn: 1 },
  };
  const subjects = {};
  for (const [count, plan] of Object.entries(plans)) {
    subjects[`fanOut, ${count}`] = await underEvents(bench, "fanOut", Number(count), plan);
    subjects[`jotwire, ${count}`] = await underEvents(bench, "jotwireFanOut", Number(count), plan);
  }
  const [loopFew, jotwireFew, loopMany, jotwireMany] = Object.values(
    await compare(bench, subjects),
  );
  const linear = many / few;
  const grown = (after, before) => after.map((cost, round) => cost / before[round] / linear);
  const perDelivery = (costs, count) => costs.map((cost) => cost / count);
  const work = "growth of the cost of one delivery, from 250 to 4,000 subscribers";
  const costs = {
    "the loop, 250": perDelivery(loopFew, few),
    "jotwire, 250": perDelivery(jotwireFew, few),
    "the loop, 4,000": perDelivery(loopMany, many),
    "jotwire, 4,000": perDelivery(jotwireMany, many),
  };
  const [ours, loops] = [grown(jotwireMany, jotwireFew), grown(loopMany, loopFew)];
  return [
    {
      id: "fanOutGrowth",
      work: `${work}, over the growth of the loop's`,
      target: 1.1,
      value: ratio(ours, loops),
      costs,
    },
    { id: "fanOutLinear", work, value: summary(ours) },
    {
      id: "fanOutFew",
      work: "an event to 250 subscribers, over the loop",
      value: ratio(jotwireFew, loopFew),
    },
    {
      id: "fanOutMany",
      work: "an event to 4,000 subscribers, over the loop",
      value: ratio(jotwireMany, loopMany),
    },
  ];
}

/** Some large events, more than the kernel holds for one who does not read. */
const largeEvents = { events: 250, perTurn: 1, bytes: 32_768 };

async function stalled(bench) {
  const readers = 20;
  const subjects = {
    "all read": await underEvents(bench, "jotwireFanOut", readers, largeEvents),
    "one of them stalled": await underEvents(bench, "jotwireFanOut", readers, largeEvents),
  };
  const stuck = subjects["one of them stalled"];
  await stuck.stall();
  const most = [];
  const measure = async () => {
    const found = await stuck.measure();
    most.push((await stuck.child.ask("buffered")) / mebibyte);
    return found;
  };
  const costs = await compare(bench, { ...subjects, "one of them stalled": { ...stuck, measure } });
  const work = "an event of 32 KiB to 20 subscribers, one of them stalled";
  return [
    {
      id: "stalled",
      work: `${work}, over the same when all read`,
      value: ratio(costs["one of them stalled"], costs["all read"]),
      costs,
    },
    {
      id: "stalledBuffer",
      work: `${work}: what waits for it in the server`,
      target: 8,
      unit: " MiB",
      value: summary(most),
    },
  ];
}

export const eventScenarios = { events, manyEvents, fanOutGrowth, stalled };
