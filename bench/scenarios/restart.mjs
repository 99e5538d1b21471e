/**
 * A server that is restarted under many clients: do all come back, not all at once, and is no call
 * lost or run twice?
 */
import { setTimeout as delay } from "node:timers/promises";
import { summary } from "../lib/statistics.mjs";
import { createSigner } from "../lib/tokens.mjs";

const clients = 2_000;
const drain = 5_000; // ms: also the time over which clients are asked to spread
const buckets = 20;
const limits = { unauthenticatedConnections: 1e9, unauthenticatedConnectionsPerAddress: 1e9 }; // all of these clients have one address

/** Most arrivals in a twentieth of the time, over what an even spread would have brought. */
function peakOf(arrivals) {
  const first = Math.min(...arrivals);
  const counts = new Map();
  for (const at of arrivals) {
    const bucket = Math.floor((at - first) / (drain / buckets));
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  return Math.max(...counts.values()) / (clients / buckets);
}

async function restartOnce(bench) {
  const crowd = bench.start("clients/crowd.mjs");
  const { child: before, port } = await bench.serve("jotwire", { limits, isWatched: true });
  const token = createSigner(bench.keys.privateJwk)();
  await crowd.ask("connect", {
    url: `ws://127.0.0.1:${port}/rpc`,
    token,
    count: clients,
    pause: 1_000,
  });
  await delay(1_000); // calls are in flight now
  const ran = (await before.ask("closed", { drain })).ran;
  await bench.stop(before);
  const { child: after } = await bench.serve("jotwire", { limits, port, isWatched: true });
  await crowd.ask("ready");
  const { arrivals, authenticated } = await after.ask("seen");
  const calls = await crowd.ask("account");
  ran.push(...(await after.ask("seen")).ran);
  await bench.stop(crowd);
  await bench.stop(after);

  const unsettled = calls.started - calls.resolved - calls.rejected;
  const twice = ran.length - new Set(ran).size;
  const lost = Math.max(calls.resolved - new Set(ran).size, 0);
  return {
    peak: peakOf(arrivals),
    missing: clients - authenticated,
    wrong: unsettled + twice + lost,
    rejected: calls.rejected,
  };
}

async function restart(bench) {
  const found = [];
  for (let round = 0; round < bench.rounds; round++) found.push(await restartOnce(bench));
  const all = (name) => found.map((one) => one[name]);
  // one that is lost in one round is lost
  const inAll = (name) => summary([all(name).reduce((sum, count) => sum + count, 0)]);
  const work = "a restart under 2,000 SDK clients";
  return [
    {
      id: "restartPeak",
      work: `${work}: peak of arrivals, over the even spread`,
      target: 2.5,
      value: summary(all("peak")),
    },
    {
      id: "restartMissing",
      work: `${work}: clients that are not back and authenticated`,
      target: 0,
      value: inAll("missing"),
    },
    {
      id: "restartCalls",
      work: `${work}: calls never settled, run twice, or answered without having run`,
      target: 0,
      value: inAll("wrong"),
    },
    {
      id: "restartRejected",
      work: `${work}: calls rejected (their connection was lost, or the server was draining)`,
      value: inAll("rejected"),
    },
  ];
}

export const restartScenarios = { restart };
