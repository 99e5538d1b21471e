/** What authentication costs: once per token, and when the token is bad. */
import { ratio } from "../lib/statistics.mjs";

const connectionsInSlice = 120;
// rounds: until then half of the difference is the compiler's, which has more of jotwire to compile
const warmUp = 4;

/**
 * Connections that authenticate: `measure` opens some; they are closed outside of the measurement.
 */
async function underConnects(bench, name, dialect) {
  const { child, port } = await bench.serve(name);
  const measure = async () => {
    const group = bench.newGroupName(name);
    const before = await child.ask("cpu");
    await bench.load.ask("open", { name: group, port, dialect, count: connectionsInSlice });
    const cost = (await child.ask("cpu")) - before;
    await bench.load.ask("close", { name: group });
    return { cost, work: connectionsInSlice };
  };
  return { measure, close: () => bench.stop(child) };
}

async function connect(bench) {
  const subjects = {
    jotwire: await underConnects(bench, "jotwire", "jotwire"),
    verify: await underConnects(bench, "verify", "verify"),
  };
  const costs = await bench.interleave(subjects, { warmUp });
  for (const { close } of Object.values(subjects)) await close();
  const work = "connect and authenticate (ES256), over bare ws connect and jose jwtVerify";
  return [{ id: "connect", work, target: 1.1, value: ratio(costs.jotwire, costs.verify), costs }];
}

async function refresh(bench) {
  const load = { connections: 16, depth: 1, kind: "refreshes" };
  const costs = await bench.compareUnderLoad({ jotwire: load, verify: load });
  const work = "a refresh (ES256), over jose jwtVerify on an open socket";
  return [{ id: "refresh", work, target: 1.15, value: ratio(costs.jotwire, costs.verify), costs }];
}

/** A peer that sends nothing but bad tokens would be closed: that would be cheaper still. */
const patient = {
  failedAuthCalls: 1e9,
  authFailuresPerAddress: 1e9,
  openFramesPerSecond: 1e9,
  authDeadline: 1e9,
};

async function badTokens(bench) {
  const load = { peer: "jotwire", connections: 16, depth: 1, options: { limits: patient } };
  const costs = await bench.compareUnderLoad({
    "good authenticate": { ...load, kind: "goodTokens" },
    "wrong signature": { ...load, kind: "badTokens", dialect: "jotwireOpen" },
  });
  const work = "refusing a token with a wrong signature, over a good authenticate of the same size";
  return [
    {
      id: "badTokens",
      work,
      target: 1,
      value: ratio(costs["wrong signature"], costs["good authenticate"]),
      costs,
    },
  ];
}

async function garbage(bench) {
  const load = { peer: "jotwire", connections: 16, depth: 8 };
  const costs = await bench.compareUnderLoad({
    "good call": load,
    "garbage frame": { ...load, kind: "garbage" },
  });
  const work = "refusing a garbage frame, over a good call of the same size";
  return [
    {
      id: "garbage",
      work,
      target: 1,
      value: ratio(costs["garbage frame"], costs["good call"]),
      costs,
    },
  ];
}

export const authScenarios = { connect, refresh, badTokens, garbage };
